# Completions of etcdsnap for bash. To have them: source <(etcdsnap completions bash)

_etcdsnap() {
    local kind='' line
    COMPREPLY=()
    # The output is read line by line: the shell would expand a key with a star if it split unquoted output into words.
    {
        IFS= read -r kind
        while IFS= read -r line; do
            COMPREPLY+=("$line")
            if [[ $line == *[/=] ]]; then compopt -o nospace 2>/dev/null; fi
        done
    } < <(ETCDSNAP_COMPLETE=bash PROGRAM -- "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" "$2" 2>/dev/null)
    # As for file names, readline then adds the quotes that are needed, and lists only the last path component.
    if [[ $kind == names ]]; then compopt -o filenames 2>/dev/null; fi
    return 0
}

complete -o bashdefault -F _etcdsnap etcdsnap
