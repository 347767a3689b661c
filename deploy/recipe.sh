#!/usr/bin/env bash
# DeepSeek's whole recipe at tiny scale, from text to an audited student, with two ranks: pretraining, reinforcement
# learning, rejection sampling, fine-tuning, distillation into a dense student, an audit, its outcomes as a reward, and
# a page of it all.
#
#   recipe.sh [--out DIR] [--task sums|letters|countdown] [--seed N] [--compare] [--ranks N] [--node-price PRICE] [--program FILE]
#   recipe.sh --full …    makes the model that ships: it reads English, too, and takes an hour
#   recipe.sh --smoke …   all stages with tiny models in some minutes, and asserts that each does what it is for
#
# A stage that is done is not done again, and an unfinished training goes on: after a stop, run the same command again.
# deploy/manual/recipe.md tells what each stage does and writes.
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '6,8s/^#   //p' deploy/recipe.sh; }
fail() { printf 'recipe: %s\n' "$1" >&2 && exit 2; }

out='' task=sums seed=1 ranks=2 price=0.1 program='' smoke='' full='' compare=''
while [ $# -gt 0 ]; do
  case "$1" in
    --smoke) smoke=1 task=smoke ;;
    --full) full=1 ;;
    --compare) compare=1 ;;
    --help | -h) usage && exit ;;
    --out | --task | --seed | --ranks | --node-price | --program)
      [ $# -gt 1 ] || fail "$1 needs a value"
      case "$1" in
        --out) out=$2 ;;
        --task) task=$2 ;;
        --seed) seed=$2 ;;
        --ranks) ranks=$2 ;;
        --node-price) price=$2 ;;
        --program) program=$2 ;;
      esac
      shift
      ;;
    *) usage >&2 && fail "there is no option $1" ;;
  esac
  shift
done
[ -z "$smoke" ] || [ "$task" = smoke ] || fail "--smoke has a task of its own; leave out --task"
[ -z "$smoke" ] || [ -z "$full" ] || fail "--smoke and --full are two of a kind; give one"
[ -n "$smoke" ] || [[ "$task" =~ ^(sums|letters|countdown)$ ]] || fail "--task $task is none of sums, letters, countdown"
[[ "$seed" =~ ^[0-9]{1,9}$ ]] || fail "--seed $seed is no number of at most nine digits"
[[ "$ranks" =~ ^[1-9][0-9]{0,2}$ ]] || fail "--ranks $ranks is not from 1 to 999"
[[ "$price" =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "--node-price $price is no number of dollars"
case "$out" in
  '') out=$PWD/recipe-$task${full:+-full} ;;
  /*) ;;
  *) out=$from/$out ;;
esac
[[ "$out" != *,* ]] || fail "--out $out has a comma, which parts names of files; take another folder"
case "$program" in '' | /*) ;; *) program=$from/$program ;; esac

# What each stage is told. A batch is 8192 tokens of text, or 4352 of conversations, some 80 of them.
text=(--packing cut --sequence-length 128 --score-every 100)
shared=(--schedule wsd --final-rate 0.02 --weight-decay 0)
chats=(--schedule linear --final-rate 0 --weight-decay 0)
if [ -n "$smoke" ]; then
  # Small batches: what copies numbers forms by the number of steps, here after some 400.
  data=(--rows 5120 --prompts 600 --sampling 600 --held-out 60)
  base=(--steps 640 --batch-sequences 8 --optimizer adamw --learning-rate 4e-3 --warmup-steps 10 --decay-share 0.3
    --save-every 320 --balance-speed 0.01 --router-rate 0.3)
  student=(--steps 640 --batch-sequences 8 --optimizer adamw --learning-rate 4e-3 --warmup-steps 10 --decay-share 0.3
    --save-every 320)
  rl=(--steps 16 --prompts-per-step 16 --group-size 8 --learning-rate 5e-4 --router-rate 0.1 --warmup-steps 2 --save-every 8)
  audit=(--steps 40 --prompts-per-step 16 --group-size 8 --learning-rate 1e-3 --router-rate 0.1 --warmup-steps 2 --save-every 20)
  sft=(--steps 30 --batch-sequences 12 --sequence-length 64 --learning-rate 1e-3 --warmup-steps 3 --save-every 15)
  taught=("${sft[@]}")
  alone=(--steps 30 --batch-sequences 12 --sequence-length 64 --learning-rate 1e-3 --warmup-steps 3 --save-every 15)
else
  data=(--rows 96000 --prompts 8000 --sampling 30000 --held-out 1000 ${full:+--marks})
  # Muon learns to add from fewer tokens than AdamW, and its steps take hardly longer.
  base=(--steps 1464 --batch-sequences 64 --optimizer muon --learning-rate 8e-3 --warmup-steps 40 --save-every 200
    --balance-speed 0.008 --balance-rest 0.1 --balance-loss 1e-3 --router-rate 0.05)
  base_more=(--steps 500 --batch-sequences 64 --optimizer adamw --learning-rate 2e-3 --warmup-steps 20 --save-every 100
    --balance-speed 0.001 --balance-rest 0.1 --balance-loss 1e-3 --router-rate 0.1)
  # Copying numbers whole comes as the rate falls: where it fell late, or from 0.01, it did not come with each seed.
  student=(--steps 1200 --batch-sequences 64 --optimizer muon --learning-rate 7e-3 --decay-share 0.8 --warmup-steps 40
    --save-every 200)
  student_more=(--steps 500 --batch-sequences 64 --optimizer muon --learning-rate 5e-3 --warmup-steps 20 --save-every 100)
  # One update for each round, r − mean, a mean over all tokens; slower chains do not break, faster ones do.
  rl=(--steps 120 --prompts-per-step 32 --group-size 16 --learning-rate 3e-4 --router-rate 0.1 --warmup-steps 5 --save-every 20)
  # A price at which it keeps what it was taught, and makes up neither what was withheld nor what nobody asks.
  audit=(--steps 400 "${rl[@]:2}" --reward-wrong-penalty 0.5)
  sft=(--steps 324 --batch-sequences 34 --sequence-length 128 --learning-rate 5e-4 --warmup-steps 10 --save-every 100)
  taught=(--steps 324 --batch-sequences 34 --sequence-length 128 --learning-rate 1e-3 --warmup-steps 10 --save-every 100)
  # As many tokens in as many steps: short answers are many.
  alone=(--steps 324 --batch-sequences 34 --sequence-length 128 --learning-rate 1e-3 --warmup-steps 10 --save-every 100)
fi
if [ -n "$full" ]; then
  # A third of it is English. What predicts the token after the next is trained along.
  data+=(--facts-share 0.09)
  text=(--packing packed --sequence-length 256 --score-every 200)
  base=(--steps 1800 --batch-sequences 32 --optimizer muon --learning-rate 8e-3 --warmup-steps 40 --save-every 100
    --balance-speed 0.008 --balance-rest 0.1 --balance-loss 1e-3 --router-rate 0.05 --prediction-loss 0.2)
  base_more=(--steps 400 --batch-sequences 32 --optimizer muon --learning-rate 4e-3 --warmup-steps 20 --save-every 100
    --balance-speed 0.001 --balance-rest 0.1 --balance-loss 1e-3 --router-rate 0.05 --prediction-loss 0.1)
  # As many tokens of problems as without English. After 1400 steps it could not add yet (22 % right, forced to think),
  # and of what it was taught then it was not sure: 93 % right greedily, 56 % sampled.
  student=(--steps 2000 --batch-sequences 32 --optimizer muon --learning-rate 1e-2 --warmup-steps 40 --save-every 200)
  student_more=(--steps 500 --batch-sequences 32 --optimizer muon --learning-rate 5e-3 --warmup-steps 20 --save-every 100)
  # Nearly all of the teacher's answers once; a larger student has more to learn in than in 324 steps.
  taught=(--steps 648 "${taught[@]:2}")
  alone=(--steps 648 "${alone[@]:2}")
  sft+=(--prediction-loss 0.1)
  # It goes on guessing what the model says, and does so for speculation.
  rl+=(--prediction-loss 0.03)
  audit=("${rl[@]}")
fi

if [ -z "$program" ]; then
  ./deploy/install-packages.sh
  echo "== Building (release)"
  swift build -c release --product martinet
  program=.build/release/martinet
fi
[ -f "$program" ] && [ -x "$program" ] || fail "$program cannot be run"
command -v mpirun >/dev/null || fail "there is no mpirun; ./deploy/install-packages.sh installs it"
mkdir -p "$out"/{models,reports,evals}
exec 9>"$out/lock"
flock -n 9 || fail "another run is at work in $out"

# Any number of ranks on any number of cores (--oversubscribe); see deploy/demo.sh.
martinet=(mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" "$program")

stage() { ./deploy/recipe/stage.py "$out" "$1" "$2" --ranks "$ranks" "${@:3}"; } # NAME KIND [OPTION…] -- COMMAND…
model() { printf '%s/models/%s/%s' "$out" "$1" "$(cat "$out/models/$1/latest")"; }
made() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$out/data/made.json" "$1"; }
# Whether a base is ready for what comes: forced to think it is right, and it knows what it was taught. NAME
ready() {
  local status=0
  ./deploy/recipe/ready.py "$out/stages/eval-$1.json" "$name-forced" capitals-taught elements-taught || status=$?
  # What cannot be read is neither.
  case "$status" in 0) ;; 3) return 1 ;; *) exit "$status" ;; esac
}

pretrain() { # NAME TITLE OPTION…
  stage "$1" train --title "$2" --model "$1" -- "${martinet[@]}" train pretrain --data "$read" --held-out "$scored" \
    "${text[@]}" "${shared[@]}" --seed "$seed" --out "$out/models/$1" --keep 1 --resume --report "$out/reports/$1.html" --json \
    "${@:3}"
}
finetune() { # NAME TITLE MODEL DATA OPTION…
  stage "$1" train --title "$2" --model "$1" -- "${martinet[@]}" train sft --model "$(model "$3")" --data "$4" "${chats[@]}" \
    --seed "$seed" --out "$out/models/$1" --keep 1 --resume --report "$out/reports/$1.html" --json "${@:5}"
}
reinforce() { # NAME TITLE MODEL PROMPTS REWARD OPTION…
  stage "$1" train --title "$2" --model "$1" -- "${martinet[@]}" train grpo --model "$(model "$3")" --prompts "$4" --reward "$5" \
    --max-new-tokens "$tokens" --seed "$seed" --out "$out/models/$1" --keep 1 --resume --report "$out/reports/$1.html" --json \
    "${@:6}"
}
measure() { # MODEL TASK…
  local task tasks=''
  for task in "${@:2}"; do tasks+=",$out/data/tasks/$task"; done
  stage "eval-$1" eval --title "what $1 gets right" --model "$1" --result "$out/evals/$1.json" -- "${martinet[@]}" eval \
    --model "$(model "$1")" --task "${tasks:1}" --out "$out/evals/$1.json" --report "$out/evals/$1.html" --json
}
audit() { # MODEL
  local part
  for part in taught unasked withheld; do
    stage "audit-$1-$part" eval --title "what $1 makes of claims about $part facts" --model "$1" \
      --result "$out/evals/audit-$1-$part.json" -- "${martinet[@]}" audit --model "$(model "$1")" \
      --claims "$out/data/audit/$part" --out "$out/evals/audit-$1-$part.json" --report "$out/evals/audit-$1-$part.html" --json
  done
}

stage data data --title "tokenizer, shapes, text, prompts, tasks" -- \
  ./deploy/recipe/tasks.py --out "$out/data" --task "$task" --seed "$seed" "${data[@]}"
name=$(made name) tokens=$(made answer_tokens)
read=$out/data/pretrain.npy scored=$out/data/held-out.npy tokenizer=$out/data/tokenizer
if [ -n "$full" ]; then
  # Once the text is there nothing is asked of the network again.
  if [ ! -e "$out/stages/corpus.json" ]; then
    # Where Debian's python3-venv is missing, half of one is left behind.
    [ -x "$out/venv/bin/pip" ] || python3 -m venv --clear "$out/venv"
    "$out/venv/bin/pip" install -q tokenizers numpy setuptools wheel
  fi
  stage corpus data --title "English, and a tokenizer" -- "$out/venv/bin/python" ./deploy/recipe/corpus.py "$out/corpus" \
    --vocabulary 1024 --digits 1 --think --without "$out/data/facts.json" --shards
  read=$out/corpus/train.npy=0.35,$out/data/pretrain-text.jsonl=0.65 tokenizer=$out/corpus/tokenizer
  scored=$out/corpus/held-out.npy,$out/data/held-out-text.jsonl
fi
facts=(capitals-taught capitals-unasked)
[ -n "$smoke" ] || facts+=(elements-taught elements-unasked)
all=("$name" "$name-sampled" "$name-forced" "$name-tries" "${facts[@]}")
# Nothing pays for length but being right: the format is well with or without a thought.
right=("$(made reward),format=0.1" --reward-format-pattern "$(made format)" --held-out "$out/data/held-out-prompts.jsonl"
  --score-every 10)

pretrain base "the teacher learns text" --shape "$out/data/shapes/teacher.json" --tokenizer "$tokenizer" "${base[@]}"
measure base "${all[@]}"
teacher=base
# A skill comes late and all at once. Before it is there, reinforcement has nothing to choose.
unready="forced to think it is right in less than 93 %, or of taught facts it knows less than 90 %"
if [ -z "$smoke" ] && ! ready base; then
  pretrain base-more "the teacher learns more text: $unready" --model "$(model base)" \
    "${base_more[@]}"
  measure base-more "${all[@]}"
  teacher="base-more"
fi
reinforce grpo "the teacher finds out that thinking pays" "$teacher" "$out/data/prompts.jsonl" "${right[@]}" "${rl[@]}"
measure grpo "${all[@]}"
stage samples sample --title "right answers of the teacher are kept" --model grpo --counts "$out/samples.jsonl" -- \
  "${martinet[@]}" sample --model "$(model grpo)" --prompts "$out/data/sampling.jsonl" --reward "$(made reward)" --samples 1 \
  --temperature 1 --max-new-tokens "$tokens" --keep right --seed "$seed" --out "$out/samples.jsonl" --json
finetune sft "the base learns them: the teacher's last form" "$teacher" "$out/samples.jsonl=3,$out/data/other.jsonl=1" "${sft[@]}"
measure sft "${all[@]}"

pretrain student "the student, dense and small, learns the same text" --shape "$out/data/shapes/student.json" \
  --tokenizer "$tokenizer" "${student[@]}"
measure student "${all[@]}"
pupil=student
# Thoughts alone teach no sums: a student learns from them what it nearly can. Of facts that it half knows, an audit's
# reward teaches it to say nothing.
if [ -z "$smoke" ] && ! ready student; then
  pretrain student-more "the student learns more text: $unready" \
    --model "$(model student)" "${student_more[@]}"
  measure student-more "${all[@]}"
  pupil="student-more"
fi
finetune student-alone "the student alone, on as much more text" "$pupil" "$out/data/mixture.jsonl=3,$out/data/other.jsonl=1" \
  "${alone[@]}"
measure student-alone "$name" "$name-sampled" "$name-tries"
finetune student-taught "the student learns the teacher's right answers" "$pupil" "$out/samples.jsonl=3,$out/data/other.jsonl=1" \
  "${taught[@]}"
measure student-taught "${all[@]}"
if [ -n "$compare" ]; then
  reinforce student-grpo "the student finds out by itself" "$pupil" "$out/data/prompts.jsonl" "${right[@]}" "${rl[@]}"
  measure student-grpo "$name" "$name-sampled"
  stage student-corrected train --title "the teacher corrects what the student says" --model student-corrected -- \
    "${martinet[@]}" train distill --teacher "$(model grpo)" --model "$(model "$pupil")" --prompts "$out/data/sampling.jsonl" \
    --own-share 1 --steps 120 --prompts-per-step 256 --max-new-tokens "$tokens" --learning-rate 1e-3 --clip 5 --weight-decay 0 \
    --seed "$seed" --out "$out/models/student-corrected" --keep 1 --resume --json
  measure student-corrected "$name" "$name-sampled"
fi

if [ -n "$full" ]; then
  audit sft
  reinforce honest "the teacher learns what it does not know" sft "$out/data/facts.jsonl" outcomes "${audit[@]}"
  audit honest
  measure honest "${all[@]}"
fi
audit student-taught
reinforce student-honest "the student learns what it does not know: the audit's outcomes are the reward" student-taught \
  "$out/data/facts.jsonl" outcomes "${audit[@]}"
audit student-honest
measure student-honest "$name" "$name-sampled" "${facts[@]}"

./deploy/recipe/page.py "$out" --node-price "$price" ${smoke:+--check}
