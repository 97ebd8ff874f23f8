"""What acoustic training minimises: CTC, CTC-CRF, expected word errors, consistency of two views."""
