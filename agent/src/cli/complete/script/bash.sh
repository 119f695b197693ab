# Completions of etcdsnap for bash. To have them: source <(etcdsnap completions bash)

_etcdsnap() {
    local kind='' line
    COMPREPLY=()
    # No array is made of unquoted output: a key may have a star in it.
    {
        IFS= read -r kind
        while IFS= read -r line; do
            COMPREPLY+=("$line")
            if [[ $line == *[/=] ]]; then compopt -o nospace 2>/dev/null; fi
        done
    } < <(ETCDSNAP_COMPLETE=bash PROGRAM -- "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" "$2" 2>/dev/null)
    # Readline then quotes what needs it, and lists the last parts of names alone.
    if [[ $kind == names ]]; then compopt -o filenames 2>/dev/null; fi
    return 0
}

complete -o bashdefault -F _etcdsnap etcdsnap
