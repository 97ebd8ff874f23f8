# Sourced by every run.sh: options, and `at N "what"`, true when stage N is to run.
set -eu
stage=0 stop_stage=99 data= work=exp
while [ $# -gt 0 ]; do
  name="${1#--}"; name="${name//-/_}"
  case "$1" in
    --help) sed -n '2,/^$/s/^# \{0,1\}//p' "${0##*/}"; exit 0 ;;
    --*) [ -n "${!name+set}" ] && [ $# -gt 1 ] || { echo "$0: unknown option or missing value: $1" >&2; exit 2; }
         printf -v "$name" '%s' "$2"; shift 2 ;;
    *) echo "$0: unexpected argument: $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$work"
at() {
  [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ] || return 1
  echo "== stage $1: $2" >&2
}
spell() { # MODEL MANIFEST LEXICON OUTPUT: the pronunciations that the model hears, unless they are written already
  [ -f "$4" ] || asr tokens spell --model "$1" --manifest "$2" --lexicon "$3" --output "$4"
}
monophone() { # hidden Markov models with Gaussian mixtures, beside a network: trained, packed, tested in $work
  asr tokens lexicon --words "$work/all.jsonl" --dictionary "$dictionary" --states 3 --output "$work/states.txt" \
    --tokens "$work/states-tokens.txt"
  asr train --config conf/monophone.toml --set tokens="$work/states-tokens.txt" --set lexicon="$work/states.txt" \
    --train "$work/train.jsonl" --dev "$work/dev.jsonl" --output "$work/monophone"
  asr checkpoint pack "$work/monophone" --output "$work/monophone-packed" --lm "$work/lm.arpa.gz" \
    --decoding conf/monophone-search.json
  asr decode --model "$work/monophone-packed" --manifest "$work/test.jsonl" --output "$work/monophone.test.trn"
  asr score "$work/test.jsonl" "$work/monophone.test.trn"
}
