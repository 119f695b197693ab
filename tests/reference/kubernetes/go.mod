module etcdsnap.example/reference/kubernetes

go 1.26.0
