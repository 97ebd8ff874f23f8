# Sourced by every run.sh after it has changed to its folder: the options, and `at N "what"`, which is true if stage N is to run.
set -eu
stage=0 stop_stage=99 data= work=exp
while [ $# -gt 0 ]; do
  name="${1#--}"; name="${name//-/_}"
  case "$1" in
    --help) sed -n '2,/^$/s/^# \{0,1\}//p' "${0##*/}"; exit 0 ;;
    --*) [ -n "${!name+set}" ] && [ $# -gt 1 ] || { echo "$0: unknown option or missing value: $1" >&2; exit 2; }
         value="$2"
         case "$name" in
           data|dictionary|text|vocab|heldout|neural_lm|language_model)  # a path: relative to where the caller is
             [ "${2#/}" = "$2" ] && [ -e "$OLDPWD/$2" ] && value="$OLDPWD/$2" ;;
         esac
         printf -v "$name" '%s' "$value"; shift 2 ;;
    *) echo "$0: unexpected argument: $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$work"
at() {
  [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ] || return 1
  echo "== stage $1: $2" >&2
}
spell() { # MODEL MANIFEST LEXICON OUTPUT: write the pronunciations that the model recognises, unless OUTPUT exists
  [ -f "$4" ] || asr tokens spell --model "$1" --manifest "$2" --lexicon "$3" --output "$4"
}
monophone() { # train, pack and test hidden Markov models with Gaussian mixtures in $work, to compare with a network
  asr tokens lexicon --words "$work/all.jsonl" --dictionary "$dictionary" --states 3 --output "$work/states.txt" \
    --tokens "$work/states-tokens.txt"
  asr train --config conf/monophone.toml --set tokens="$work/states-tokens.txt" --set lexicon="$work/states.txt" \
    --train "$work/train.jsonl" --dev "$work/dev.jsonl" --output "$work/monophone"
  asr checkpoint pack "$work/monophone" --output "$work/monophone-packed" --lm "$work/lm.arpa.gz" \
    --decoding conf/monophone-search.json
  asr decode --model "$work/monophone-packed" --manifest "$work/test.jsonl" --output "$work/monophone.test.trn"
  asr score "$work/test.jsonl" "$work/monophone.test.trn"
}
