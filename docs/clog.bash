# bash completion for clog and clogd: commands, their second words and their options; files and folders for all else.

_clog_words() {
  local command=$1 second=$2
  case $command in
    append) echo --lines --at ;;
    read) echo --offsets --json ;;
    tail) echo --records -n --from -f --follow --offsets --json ;;
    mount) echo --allow-other --owner --mode --guard ;;
    bench) echo --records --seconds --size --outstanding --connections --rate --read --progress --json ;;
    member) [ -n "$second" ] && echo --mount voter standby spare || echo list remove role --mount ;;
    transfer) echo --mount ;;
    token) [ -n "$second" ] && echo --grant --ttl --out || echo create list revoke ;;
    acl) [ -n "$second" ] || echo show set unset ;;
    cert) [ -n "$second" ] && echo --cluster --host --out --days || echo init member client ;;
    verify) echo --digest ;;
    '') echo append read tail mount bench status member transfer token acl cert verify --version ;;
  esac
  case $command in
    cert | verify) ;;
    *) echo --server --tls --token-file ;;
  esac
  echo --help
}

_clog() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' second='' i
  case $before in
    --tls | --mount | --token-file | --out) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --grant) mapfile -t COMPREPLY < <(compgen -W 'produce consume observe admin' -- "$word"); return ;;
    --guard) mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$word"); return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --server | --tls | --token-file) ((i++)) ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; elif [ -z "$second" ]; then second=${COMP_WORDS[i]}; fi ;;
    esac
  done
  mapfile -t COMPREPLY < <(compgen -W "$(_clog_words "$command" "$second")" -- "$word")
  if [ -n "$command" ] && [ ${#COMPREPLY[@]} = 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- "$word"); fi
}

_clogd() {
  local word=${COMP_WORDS[COMP_CWORD]}
  mapfile -t COMPREPLY < <(compgen -W '--data --mount --name --peer --advertise --join --tls --tls-min --grpc --http --jwt-keys
    --jwt-audience --guard --allow-other --owner --mode --config --help --version' -- "$word")
  if [ ${#COMPREPLY[@]} = 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- "$word"); fi
}

complete -o filenames -F _clog clog
complete -o filenames -F _clogd clogd
