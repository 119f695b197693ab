# Completions of etcdsnap for fish. To have them: etcdsnap completions fish | source

function __etcdsnap_complete
    set -l head (commandline --current-process --cut-at-cursor | string collect)
    set -l whole (commandline --current-process | string collect)
    ETCDSNAP_COMPLETE=fish PROGRAM -- "$head" "$whole" 2>/dev/null
end

complete --command etcdsnap --no-files --keep-order --arguments '(__etcdsnap_complete)'
