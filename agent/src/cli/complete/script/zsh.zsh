#compdef etcdsnap
# Completions of etcdsnap for zsh. To have them: source <(etcdsnap completions zsh), after compinit

_etcdsnap() {
    local -a asked folders plain described
    local line word
    asked=("${(@Q)words}")
    # The current word: only the part before the cursor, without quotes.
    if [[ -n ${compstate[quote]} ]]; then
        asked[CURRENT]=$PREFIX
    else
        asked[CURRENT]=${(Q)PREFIX}
    fi
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        if [[ $word == *[/=] ]]; then
            folders+=("$word")
        elif [[ $line == *$'\t'* ]]; then
            described+=("${word//:/\\:}:${line#*$'\t'}")
        else
            plain+=("$word")
        fi
    done < <(ETCDSNAP_COMPLETE=zsh PROGRAM -- $((CURRENT - 1)) "${asked[@]}" 2>/dev/null)
    (( $#folders )) && compadd -S '' -- "${folders[@]}"
    (( $#plain )) && compadd -- "${plain[@]}"
    (( $#described )) && _describe etcdsnap described
    (( $#folders + $#plain + $#described ))
}

if [[ ${funcstack[1]-} == _etcdsnap ]]; then
    _etcdsnap "$@"
else
    compdef _etcdsnap etcdsnap
fi
