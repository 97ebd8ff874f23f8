#!/usr/bin/env bash
# The same five hours of speech climbed by acoustic models of each generation: same phones, lexicon and language model.
#   ./ladder.sh --data FOLDER [--dictionary DICT] [--vocab LIST] [--work exp/5h] [--rungs "monophone dnn rnn gru lstm
#               bilstm bilstm-conv bilstm-conv-attention blocks-mwer blocks-self blocks-attention-self"]
# After ./run.sh --track 5h, whose files it reads: stages 1 and 2, for blocks-mwer and blocks-self (its second schedule's model,
# trained on for fewer expected word errors, and on what it hears in audio without text) up to 4, for blocks-attention-self (its
# third schedule's on what it hears) all. A network takes half an hour to an hour.

rungs="monophone dnn rnn gru lstm bilstm bilstm-conv bilstm-conv-attention blocks-mwer blocks-self blocks-attention-self"
dictionary= vocab=
cd "$(dirname "$0")"; . ../stages.sh; . conf/attention.sh
if [ "$work" = exp ]; then work=exp/5h; fi
dictionary="${dictionary:-$data/text/lexicon/cmudict.dict}"
vocab="${vocab:-$data/text/lexicon/librispeech-vocab.txt.gz}"
needs "$work/train.jsonl" "made by run.sh --track 5h, stages 1 and 2"
ladder="$work/ladder"
mkdir -p "$ladder"

settings() { # of a rung, at 1.6 to 1.9 M parameters each
  case "$1" in
    monophone) ;;
    dnn) echo kind=feedforward conv_channels=0 hidden_size=384 num_layers=6 ;;
    rnn) echo kind=rnn conv_channels=0 bidirectional=false hidden_size=448 num_layers=4 ;;
    gru) echo kind=gru conv_channels=0 bidirectional=false hidden_size=288 num_layers=3 ;;
    lstm) echo kind=lstm conv_channels=0 bidirectional=false hidden_size=248 num_layers=3 ;;
    bilstm) echo kind=lstm conv_channels=0 hidden_size=152 num_layers=3 ;;
    bilstm-conv) echo kind=lstm conv_channels=32 hidden_size=152 num_layers=3 ;;
    bilstm-conv-attention) echo kind=lstm conv_channels=32 hidden_size=136 num_layers=3 attention_heads=4 ;;
    *) echo "$0: unknown rung: $1" >&2; exit 2 ;;
  esac
}

fit() { # RUNG TRAIN [OPTIONS]
  rung="$1" train="$2"; shift 2
  asr train "$@" --train "$train" --dev "$work/dev-full-band.jsonl" --output "$ladder/$rung" --resume
}

from_nothing() { # RUNG
  config=ladder tokens=tokens.txt spelled=train-lexicon.txt
  if [ "$1" = monophone ]; then  # a token is a state, a frame is 10 ms
    config=monophone tokens=states-tokens.txt spelled=train-states.txt
    states="asr tokens lexicon --dictionary $dictionary --states 3"
    $states --words "$work/train.jsonl" --words "$work/dev-full-band.jsonl" --output "$work/$spelled" --tokens "$work/$tokens"
    $states --words "$vocab" --output "$work/states.txt"
  fi
  options=(--config conf/$config.toml --set tokens="$work/$tokens" --set lexicon="$work/$spelled")
  for setting in $(settings "$1"); do options+=(--set model.$setting); done
  # At the others' rate it stays where CTC begins, all blanks.
  if [ "$1" = rnn ]; then options+=(--set train.peak_lr=0.0004); fi
  fit "$1" "$work/train.jsonl" "${options[@]}"
}

best=(--config conf/blocks.toml --set tokens="$work/tokens.txt" --set criterion.ctc_epochs=0 --set data.sorted_epochs=0
  --set model.dropout=0.35)
fewer_errors() { # RUNG: one epoch; the search's weights are near those of the plain model before, its beam is 40
  fit "$1" "$work/train.jsonl" "${best[@]}" --set init="$work/second" --set lexicon="$work/train-lexicon.txt" \
    --set spelled="$work/spelled-second.txt" --set criterion.kind=mwer --set criterion.crf_share=0.5 --set criterion.lm="$work/lm.arpa.gz" \
    --set criterion.lexicon="$work/lexicon.txt.gz" --set criterion.lm_weight=1.15 --set criterion.word_score=-1.3 \
    --set train.peak_lr=0.00005 --set train.epochs=1 --set train.validate_every=1 --set train.average=1
}
on_what_is_heard() { # RUNG MODEL PACKED [OPTIONS]: with train-clean-100-part and ljspeech-part, whose texts are not looked at
  more="$ladder/$1" spelled="$ladder/$1.spelled.txt" from="$work/$2" packed="$work/$3"
  asr data import "$data/LibriSpeech/train-clean-100-part" "$data/ljspeech-part" --output "$more.more.jsonl"
  asr decode --model "$packed" --manifest "$more.more.jsonl" --json > "$more.heard.jsonl"
  asr data relabel "$more.more.jsonl" "$more.heard.jsonl" --least-confidence 0.8 --output "$more.heard-only.jsonl"
  cat "$work/train.jsonl" "$more.heard-only.jsonl" > "$more.train.jsonl"
  asr tokens lexicon --words "$more.train.jsonl" --words "$work/dev-full-band.jsonl" --dictionary "$dictionary" --output "$more.lexicon.txt"
  spell "$from" "$more.train.jsonl" "$more.lexicon.txt" "$spelled"
  fit "$1" "$more.train.jsonl" "${best[@]}" --set init="$from" --set lexicon="$more.lexicon.txt" --set spelled="$spelled" "${@:4}"
}

pack() { # RUNG LEXICON DECODING
  asr checkpoint pack "$ladder/$1" --output "$ladder/$1-packed" --lexicon "$work/$2" --lm "$work/lm.arpa.gz" --decoding "$3"
}
table() { # RUNG SYSTEM [OPTIONS of asr decode]
  rung="$1" system="$2"; shift 2
  for name in dev-full-band dev-clean-part; do
    asr decode --model "$ladder/$rung-packed" --manifest "$work/$name.jsonl" --output "$ladder/5h-$system.$name.trn" "$@"
    echo "--- $system, $name"
    asr score "$work/$name.jsonl" "$ladder/5h-$system.$name.trn"
  done
}

echo '{"lm_weight": 1.05, "word_score": -0.5, "beam_size": 400}' > "$ladder/search.json"
for rung in $rungs; do
  case "$rung" in
    blocks-mwer) fewer_errors $rung; pack $rung lexicon.txt.gz "$work/tuned.json" ;;
    blocks-self)
      on_what_is_heard $rung second packed --set train.epochs=8 --set train.validate_every=8 --set train.peak_lr=0.001
      pack $rung lexicon.txt.gz "$work/tuned.json" ;;
    blocks-attention-self)
      on_what_is_heard $rung third packed-third --set train.epochs=4 --set train.validate_every=4 --set train.average=2 \
        --set train.peak_lr=0.0007 $attention
      pack $rung lexicon.txt.gz "$work/tuned-third.json" ;;
    monophone) from_nothing $rung; pack $rung states.txt conf/monophone-search.json ;;
    *) from_nothing "$rung"; pack "$rung" lexicon.txt.gz "$ladder/search.json" ;;
  esac
  table "$rung" "$rung"
  case "$rung" in blocks-*) if [ -d "$work/packed/lstm" ]; then table $rung $rung-lstm --neural-lm "$work/packed/lstm"; fi ;; esac
done
