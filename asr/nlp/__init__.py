"""Text classification and sentiment on the recurrent core, judged beside a plain baseline."""
