# Sourced by every run.sh after it has changed to its folder: the options; `at N "what"`, which is true if stage N is to run;
# and `needs PATH "what"`, which stops with what to get where PATH is missing.
set -eu
stage=0 stop_stage=99 data= work=exp
from_caller() { # NAME VALUE: the value of an option, a path in it relative to where the caller is
  case "$2" in /*) echo "$2"; return ;; esac
  case "$1" in
    work) echo "$OLDPWD/$2" ;;
    data|dictionary|text|vocab|heldout|language_model|lstm|neural_lm|model)
      if [ -e "$OLDPWD/$2" ]; then
        echo "$OLDPWD/$2"
      elif [ -e "$2" ] || [ "$1" = neural_lm ] || [ "$1" = model ]; then  # beside the recipe, or a name such as none
        echo "$2"
      else
        echo "$OLDPWD/$2"
      fi ;;
    *) echo "$2" ;;
  esac
}
explain() { # the script's first comment and its stages
  sed -n '2,/^$/s/^# \{0,1\}//p' "${0##*/}"
  sed -n 's/.*\bat \([0-9]\) "\([^"]*\)".*/\1: \2/p' "${0##*/}" | sed 's/\$//g; s/^/  stage /'
}
while [ $# -gt 0 ]; do
  name="${1#--}"; name="${name//-/_}"
  case "$1" in
    --help) explain; exit 0 ;;
    --*) [ -n "${!name+set}" ] && [ $# -gt 1 ] || { echo "$0: unknown option or missing value: $1" >&2; exit 2; }
         printf -v "$name" '%s' "$(from_caller "$name" "$2")"; shift 2 ;;
    *) echo "$0: unexpected argument: $1" >&2; exit 2 ;;
  esac
done
needs() { # PATH "what it is and where it is from"
  if [ -e "$1" ]; then return; fi
  if [ -z "$data" ] && [ "${1#/}" != "$1" ]; then
    echo "$0: needs ${1#/} in the folder that --data names: $2" >&2
  else
    echo "$0: needs $1, which does not exist: $2" >&2
  fi
  exit 1
}
at() {
  [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ] || return 1
  mkdir -p "$work"
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
