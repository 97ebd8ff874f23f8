# Sourced by run.sh and ladder.sh: rooms and noise, and what the third schedule has in common with what follows it.
rooms="--set augment.noise_probability=0.25 --set augment.reverb_probability=0.15"
attention="--set model.attention_heads=4 --set model.weight_dropout=0.3 $rooms
  --set augment.codec_probability=0.3 --set augment.codec_compression=[0.4,0.95]"
