//! `kube` commands accept kubectl's arguments, and their messages name what is missing and where.

use std::process::{Command, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::programs::tests_dir;
use etcdsnap_tests::recorded::RecordedCluster;

const TODAY: &str = "samples/kubernetes/today.db.zst";
const YESTERDAY: &str = "samples/kubernetes/yesterday.db.zst";

/// Runs a command in the repository's folder; returns its output, its messages on one line, and its exit code.
fn run(words: &[&str]) -> (String, String, i32) {
    let tests = tests_dir();
    let root = tests.parent().expect("the repository");
    let output =
        Command::new(cli::program()).args(words).current_dir(root).stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    (String::from_utf8(output.stdout).expect("UTF-8"), said, output.status.code().expect("an exit code"))
}

/// Runs `kube get FILE …`; returns the output, and asserts the exit code and a part of the messages.
fn get(file: &str, words: &[&str], code: i32, with: &str) -> String {
    says("get", file, words, code, with)
}

fn says(command: &str, file: &str, words: &[&str], code: i32, with: &str) -> String {
    let (out, said, ended) = run(&[&["kube", command, file], words].concat());
    assert_eq!(ended, code, "{command} {words:?}: {said}");
    assert!(said.contains(with) && (!with.is_empty() || said.is_empty()), "{command} {words:?}: {said}");
    out
}

#[test]
fn missing_objects_are_named_and_the_others_printed() {
    let out = get(
        YESTERDAY,
        &["deploy", "web", "nothing", "-n", "shop", "-o", "name"],
        1,
        "There is no deployment.apps/nothing in namespace shop",
    );
    assert_eq!(out, "deployment.apps/web\n");
    let out =
        get(YESTERDAY, &["deploy/web", "svc/nothing", "-n", "shop", "-o", "name"], 1, "There is no service/nothing");
    assert_eq!(out, "deployment.apps/web\n");
    // A list with missing objects is not printed as a List.
    assert_eq!(get(YESTERDAY, &["deploy", "nothing", "-n", "shop", "-o", "yaml"], 1, "There is no"), "");
    get(YESTERDAY, &["deploy", "web"], 1, "There is one in namespace shop: -n shop.");
    get(YESTERDAY, &["deploy", "webs", "-n", "shop"], 1, "Did you mean web?");
    get(TODAY, &["deploy", "web", "-n", "shop"], 1, "It was deleted at revision 473: --deleted shows its last state.");
    get(
        YESTERDAY,
        &["deploy", "svc", "-n", "shop"],
        1,
        "svc is a type, too: for all objects of both write deployments,services.",
    );
}

#[test]
fn a_living_object_is_not_listed_as_deleted() {
    let what = "There is no deleted deployment.apps/web in namespace shop. It is there, and not deleted";
    get(YESTERDAY, &["deploy", "web", "-n", "shop", "--deleted"], 1, what);
}

#[test]
fn a_missing_namespace_is_reported() {
    get(
        YESTERDAY,
        &["pods", "-n", "nowhere"],
        0,
        "No resources found in nowhere namespace. etcdsnap: This snapshot has no namespace nowhere.",
    );
    get(YESTERDAY, &["pods", "-n", "shp"], 0, "Did you mean shop?");
    get(YESTERDAY, &["pods", "-n", "shp", "-o", "name"], 0, "This snapshot has no namespace shp.");
    get(YESTERDAY, &["deploy", "web", "-n", "shp"], 1, "There is one in namespace shop: -n shop.");
    get(YESTERDAY, &["deploy"], 0, "No resources found in default namespace. etcdsnap: Other namespaces have");
    // The message does not appear for an existing namespace.
    get(YESTERDAY, &["deploy", "-l", "app=nothing", "-n", "shop"], 0, "No resources found in shop namespace.");
    get(YESTERDAY, &["pv"], 0, "No resources found");
    says("manifests", YESTERDAY, &["-n", "shp"], 1, "There is nothing to write");
    says(
        "events",
        YESTERDAY,
        &["-n", "shp"],
        0,
        "No events found in shp namespace. etcdsnap: This snapshot has no namespace shp.",
    );
    says("history", YESTERDAY, &["deploy", "-n", "shp"], 0, "This snapshot has no namespace shp.");
    says("kinds", YESTERDAY, &["deploy", "-n", "shp"], 0, "This snapshot has no namespace shp.");
}

#[test]
fn formats_that_kubectl_refuses_are_refused_with_a_reason() {
    for (words, what) in [
        (&["po,"][..], "lacks a type beside a comma"),
        (&[","], "lacks a type beside a comma"),
        (&["po/a/b"], "has more than one slash"),
        (&["po/a,svc/b"], "Put a blank between objects: TYPE/NAME TYPE/NAME."),
        (&["po", "a/b"], "a/b has its type with it, and po has none"),
        (&["deply"], "No type of objects in this snapshot is called deply. Did you mean deploy?"),
        (&["po", "--sort-by", ".nothing", "-n", "shop"], "no object has a field at .nothing"),
        (&["po", "--sort-by", ".spec", "-n", "shop"], "a list or an object is at .spec"),
        (&["po", "--field-selector", "spec.nothing=x"], "pods cannot be selected by spec.nothing. Fields of pods are"),
        (&["po,svc", "--field-selector", "status.phase=x"], "services cannot be selected by status.phase"),
        (&["po", "--field-selector", "x"], "cannot read \"x\" as FIELD=VALUE"),
        (&["po", "-l", "a b"], "cannot read \"a b\" as a condition on labels"),
        (&["po", "a", "-l", "app=web"], "chosen by their names or by selectors, and not by both"),
        (&["po", "-o", "yaml", "--show-labels"], "--show-labels adds a column to tables"),
        (&["po", "-o", "go-template={{.x}}"], "Go templates are not supported: use -o jsonpath="),
        (&["po", "-o", "jsonpath"], "write -o jsonpath='{.metadata.name}'"),
        (&["po", "-o", "jsonpath={.a"], "lacks a closing brace"),
        (&["po", "-o", "nothing"], "jsonpath=TEMPLATE"),
        (&["po", "--rev", "99999"], "Revision 99,999 is later than the latest in this snapshot, 344"),
    ] {
        get(YESTERDAY, words, 2, what);
    }
}

#[test]
fn every_command_takes_types_names_and_namespaces_alike() {
    let recorded = RecordedCluster::open("plain");
    let file = recorded.snapshot();
    let file = file.to_str().expect("a path");
    // -A wins over -n, as for kubectl.
    let all = get(file, &["deploy", "-A", "-o", "name"], 0, "");
    assert_eq!(get(file, &["deploy", "-A", "-n", "shop", "-o", "name"], 0, ""), all);
    let by_slash = says("history", file, &["deploy/web", "-n", "shop"], 0, "");
    assert_eq!(says("history", file, &["deploy", "web", "-n", "shop"], 0, ""), by_slash);
    assert!(!by_slash.contains("OBJECT"), "{by_slash}");
    let several = says("history", file, &["deploy,svc", "-n", "shop", "-ojson"], 0, "");
    assert!(several.contains("\"object\":\"deployment.apps/web\",\"namespace\":\"shop\""), "{several}");
    assert!(several.contains("\"object\":\"service/web\",\"namespace\":\"shop\""), "{several}");
    assert!(says("history", file, &["deploy,svc", "-n", "shop"], 0, "").starts_with("OBJECT"));
    let (out, said, code) = run(&["kube", "find", "samples/kubernetes", "deploy", "web", "-n", "shop"]);
    assert_eq!((code, out), (0, run(&["kube", "find", "samples/kubernetes", "deploy/web", "-n", "shop"]).0), "{said}");
    let kinds = says("kinds", file, &["deploy,svc", "-n", "shop", "-o", "json"], 0, "");
    assert_eq!(kinds.lines().count(), 2, "{kinds}");
    assert!(kinds.contains("\"kind\":\"Deployment\"") && kinds.contains("\"count\":2"), "{kinds}");
    let written = says("manifests", file, &["deploy", "web", "-n", "shop"], 0, "1 object (deployments 1)");
    assert_eq!(says("manifests", file, &["deploy/web", "-n", "shop"], 0, "1 object"), written);
    let differs = |words: &[&str]| run(&[&["kube", "diff", YESTERDAY, TODAY], words].concat()).0;
    assert_eq!(differs(&["deploy", "web", "-n", "shop"]), "deployments.apps in shop\n  - web\n");
    assert_eq!(differs(&["deploy/web", "-A", "-n", "nowhere"]), "deployments.apps in shop\n  - web\n");
    let (out, said, code) = run(&["kube", "diff", YESTERDAY, TODAY, "deploy", "svc", "-n", "shop"]);
    assert_eq!((out.as_str(), code), ("", 1), "{said}");
    assert!(said.contains("Neither snapshot has deployment.apps/svc. svc is a type, too"), "{said}");
    let by_label = differs(&["-l", "season=winter"]);
    assert_eq!(
        by_label.lines().filter(|line| line.starts_with("  ~")).collect::<Vec<_>>(),
        ["  ~ banner"],
        "{by_label}"
    );
}

#[test]
fn findings_can_be_filtered_by_type_and_namespace() {
    let recorded = RecordedCluster::open("plain");
    let file = recorded.snapshot();
    let file = file.to_str().expect("a path");
    let found = |words: &[&str]| {
        let (out, said, _) = run(&[&["kube", "check", file, "--all", "-ojson"], words].concat());
        assert!(!said.contains("no room"), "{said}");
        let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        lines.into_iter().filter(|line| line.get("code").is_some()).collect::<Vec<_>>()
    };
    let all = found(&[]);
    let pods = found(&["pods"]);
    assert!(!pods.is_empty() && pods.len() < all.len(), "{} of {}", pods.len(), all.len());
    assert_eq!(pods.len(), all.iter().filter(|finding| finding["resource"] == "pods").count());
    let in_odd = found(&["-n", "odd"]);
    assert!(
        !in_odd.is_empty() && in_odd.iter().all(|finding| finding["namespace"] == "odd" || finding["name"] == "odd")
    );
    assert_eq!(found(&["-n", "nowhere"]).len(), 0);
    assert_eq!(run(&["kube", "check", file, "-n", "nowhere"]).2, 0);
}

#[test]
fn templates_print_one_object_or_a_list() {
    let name = "jsonpath={.kind} {.metadata.name}";
    assert_eq!(get(YESTERDAY, &["deploy", "web", "-n", "shop", "-o", name], 0, ""), "Deployment web");
    let names = "jsonpath={.kind} {.items[*].metadata.name}";
    let list = get(YESTERDAY, &["deploy,svc", "-n", "shop", "-o", names], 0, "");
    assert!(list.starts_with("List ") && list.contains(" web"), "{list}");
    assert_eq!(get(YESTERDAY, &["pods", "-n", "nowhere", "-o", names], 0, "no namespace nowhere"), "List ");
    let json = get(YESTERDAY, &["deploy/web", "-n", "shop", "-o", "jsonpath-as-json={.metadata.labels}"], 0, "");
    assert!(json.starts_with("[\n    {\n"), "{json}");
    // kubectl prints managedFields by a template, though not with -o yaml.
    let manager =
        get(YESTERDAY, &["deploy/web", "-n", "shop", "-o", "jsonpath={.metadata.managedFields[0].manager}"], 0, "");
    assert!(!manager.is_empty());
    let of_list = ["deploy", "-n", "shop", "-o", "jsonpath={.items[*].metadata.managedFields[0].manager}"];
    assert_eq!(get(YESTERDAY, &of_list, 0, "").split(' ').next(), Some(manager.as_str()));
    assert_eq!(get(YESTERDAY, &["deploy/nothing", "-n", "shop", "-o", names], 1, "There is no"), "");
    get(YESTERDAY, &["deploy/web", "-n", "shop", "-o", "jsonpath=.kind"], 0, "has no path in braces");
    get(
        YESTERDAY,
        &["deploy/web", "-n", "shop", "-o", "jsonpath={.spec.template.spec.containers[7]}"],
        2,
        "cannot be filled in: a list of",
    );
    let keys = "--encryption-config=samples/kubernetes/encryption.yaml";
    let secret = ["secret/database", "-n", "shop", "-o", "jsonpath={.data.password}", keys];
    assert_eq!(get(YESTERDAY, &secret, 0, "Values of secrets are hidden: --show-secrets"), "(hidden: --show-secrets)");
    let shown = get(YESTERDAY, &[&secret[..], &["--show-secrets"]].concat(), 0, "");
    assert!(!shown.is_empty() && !shown.contains("hidden"), "{shown}");
}

#[test]
fn objects_being_deleted_are_written_only_if_named() {
    let recorded = RecordedCluster::open("plain");
    let file = recorded.snapshot();
    let file = file.to_str().expect("a path");
    let pods =
        says("manifests", file, &["pods", "-n", "odd"], 0, "they were being deleted when the snapshot was taken");
    assert!(pods.contains("name: gated\n") && !pods.contains("name: terminating\n"), "{pods}");
    let named = says(
        "manifests",
        file,
        &["pod/terminating", "-n", "odd"],
        0,
        "pod/terminating was being deleted, and is written as if it were not.",
    );
    assert!(named.contains("name: terminating\n") && !named.contains("deletionTimestamp"), "{named}");
    let (out, said, code) = run(&["kube", "manifests", file, "rs", "-n", "shop"]);
    assert_eq!((out.as_str(), code), ("", 1), "{said}");
    assert!(said.contains("All requested objects are left out") && !said.contains("List the objects"), "{said}");
    let (_, said, code) = run(&["kube", "manifests", file, "deploy/nothing", "-n", "shop"]);
    assert!(code == 1 && !said.contains("List the objects"), "{said}");
}

#[test]
fn manifests_go_to_another_namespace() {
    let recorded = RecordedCluster::open("plain");
    let file = recorded.snapshot();
    let file = file.to_str().expect("a path");
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().join("odd");
    let folder_name = folder.to_str().expect("a path");
    says(
        "manifests",
        file,
        &["-n", "odd", "--to-namespace", "odder", "--cluster-scoped", "-o", folder_name],
        0,
        "Written to",
    );
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder.join("objects")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(!name.contains("-odd-"), "{name}");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(!text.lines().any(|line| line.trim_start_matches([' ', '-']) == "namespace: odd"), "{name}: {text}");
        texts.push((name, text));
    }
    let of = |part: &str| {
        let found = texts.iter().find(|(name, _)| name.contains(part));
        &found.unwrap_or_else(|| panic!("no {part}: {:?}", texts.iter().map(|(name, _)| name).collect::<Vec<_>>())).1
    };
    assert!(of("namespace-odder").contains("  name: odder\n"));
    let binding = of("odder-rolebinding-bots");
    assert!(binding.contains("  namespace: odder\n") && binding.contains("subjects:\n"), "{binding}");
    // The same objects in the same order as without the flag.
    let whole = says("manifests", file, &["-n", "odd", "--cluster-scoped"], 0, "Written:");
    let moved = says("manifests", file, &["-n", "odd", "--cluster-scoped", "--to-namespace", "odder"], 0, "Written:");
    let kinds =
        |text: &str| text.lines().filter(|line| line.starts_with("kind: ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(kinds(&whole), kinds(&moved));
}

#[test]
fn labels_can_be_columns() {
    let table = get(YESTERDAY, &["deploy", "-n", "shop", "-L", "app,nothing", "--show-labels"], 0, "");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with("APP    NOTHING   LABELS"), "{table}");
    assert!(lines[1].contains("app=shop"), "{table}");
    let bare = get(YESTERDAY, &["deploy,svc", "-n", "shop", "--no-headers"], 0, "");
    assert!(!bare.contains("NAME") && !bare.lines().any(str::is_empty), "{bare}");
}

/// As kubectl does: in their order, with those of one type together that follow each other.
#[test]
fn objects_of_several_types_come_in_the_order_in_which_they_are_named() {
    let names = |words: &[&str]| get(YESTERDAY, &[words, &["-n", "shop", "-o", "name"]].concat(), 0, "");
    let found = names(&["svc/web", "deploy/web", "cm/kube-root-ca.crt"]);
    assert_eq!(found, "service/web\ndeployment.apps/web\nconfigmap/kube-root-ca.crt\n");
    let found = names(&["cm/kube-root-ca.crt", "svc/web", "deploy/web"]);
    assert_eq!(found, "configmap/kube-root-ca.crt\nservice/web\ndeployment.apps/web\n");
    // A type that comes twice has two tables, as the other between them has one.
    let table = get(YESTERDAY, &["deploy/web", "svc/web", "deploy/web", "-n", "shop"], 0, "");
    assert_eq!(table.lines().filter(|line| line.starts_with("NAME")).count(), 2, "{table}");
    let table = get(YESTERDAY, &["cm/settings", "svc/web", "cm/kube-root-ca.crt", "-n", "shop"], 0, "");
    let first: Vec<&str> =
        table.lines().filter_map(|line| line.split(' ').next()).filter(|first| !first.is_empty()).collect();
    assert_eq!(first, ["NAME", "configmap/settings", "NAME", "service/web", "NAME", "configmap/kube-root-ca.crt"]);
}

/// An object of Kubernetes is deleted on the way in the words of kubectl.
#[test]
fn a_restore_deletes_objects_in_the_words_of_kubectl() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let restore = |words: &[&str]| {
        let data = format!("--data-dir={}", data.display());
        run(&[&["restore", YESTERDAY, &data, "--dry-run", "-wjson"], words].concat())
    };
    let (out, said, code) = restore(&["--delete", "deploy/web", "--delete=svc/web", "-n", "shop"]);
    assert_eq!(code, 0, "{said}");
    let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let keys: Vec<&str> =
        told["deletedKeys"].as_array().expect("keys").iter().filter_map(|key| key["key"].as_str()).collect();
    assert_eq!(keys, ["/registry/deployments/shop/web", "/registry/services/specs/shop/web"]);
    let (out, _, code) = restore(&["--delete", "/registry/deployments/shop/web"]);
    assert!(code == 0 && out.contains("/registry/deployments/shop/web"), "{out}");
    // In another namespace, deleted already, and no type: nothing is written, and it says why.
    let (_, said, code) = restore(&["--delete=deploy/web"]);
    assert!(code == 1 && said.contains("There is one in namespace shop: -n shop."), "{said}");
    let (_, said, code) = restore(&["--delete=deploy/webs", "-n", "shop"]);
    assert!(code == 1 && said.contains("Did you mean web?"), "{said}");
    let (_, said, code) = restore(&["--delete=nonsense/web", "-n", "shop"]);
    assert!(code == 1 && said.contains("no key nonsense/web at revision"), "{said}");
    let (_, said, code) = restore(&["-n", "shop"]);
    assert!(code == 2 && said.contains("--delete"), "{said}");
}

/// Words that somebody types who knows kubectl, and what they get.
#[test]
fn words_of_kubectl_are_explained() {
    for (words, what) in [
        (&["get", TODAY, "pods", "--context", "prod"][..], "--context is for requests to an API server"),
        (&["get", TODAY, "pods", "--kubeconfig=x"], "--kubeconfig is for requests to an API server"),
        (&["get", TODAY, "pods", "-w"], "Leave -w out. etcdsnap kube history"),
        (&["get", TODAY, "pods", "--watch"], "Leave --watch out. etcdsnap kube history FILE TYPE/NAME"),
        (&["--context", "prod", "get", TODAY, "pods"], "Leave it out: everything is read from the snapshot."),
        (&["get", TODAY, "deploy", "web", "--export"], "etcdsnap kube manifests FILE TYPE/NAME -n NS"),
        (&["get", "pods"], "Write both: etcdsnap kube get FILE TYPE"),
        (&["get", TODAY], "The types in a snapshot: etcdsnap kube kinds FILE"),
        (&["restore", TODAY, "-n", "shop"], "etcdsnap kube manifests FILE -n NS writes objects"),
        (&["get", "-f", TODAY], "-f reads the names of objects from files"),
        (&["describe", TODAY, "pod", "web"], "etcdsnap kube get FILE TYPE NAME -n NS -o yaml prints"),
        (&["apply", "-f", "x"], "A snapshot is only read. etcdsnap kube manifests FILE TYPE/NAME"),
        (&["logs", "web"], "A snapshot holds the objects of a cluster"),
        (&["get", "pods", TODAY], "is no file pods, but samples/kubernetes/today.db.zst is one"),
        (&["manifests", "pods", TODAY], "The snapshot comes before the type: samples/kubernetes/today.db.zst pods"),
    ] {
        let (out, said, code) = run(&[&["kube"], words].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {said}");
        assert!(said.contains(what), "{words:?}: {said}");
    }
    // Another flag that does not exist is clap's to explain.
    let (_, said, code) = run(&["kube", "get", TODAY, "pods", "--nothing"]);
    assert!(code == 2 && said.starts_with("etcdsnap: Unexpected argument '--nothing' found. "), "{said}");
    // A file that is not a snapshot may have the name of an object.
    let (_, said, code) = run(&["kube", "get", "samples/kubernetes/absent.db", "pods", "README.md"]);
    assert!(code == 2 && said.contains("absent.db") && !said.contains("README.md"), "{said}");
}

#[test]
fn kinds_can_be_shown_and_absent_objects_ignored() {
    let shown = get(YESTERDAY, &["deploy", "-n", "shop", "--show-kind", "--no-headers"], 0, "");
    assert!(shown.starts_with("deployment.apps/"), "{shown}");
    let plain = get(YESTERDAY, &["deploy", "-n", "shop", "--show-kind=false", "--no-headers=true"], 0, "");
    assert!(plain.starts_with("web "), "{plain}");
    let ignored = get(YESTERDAY, &["deploy", "nothing", "-n", "shop", "--ignore-not-found"], 0, "");
    assert_eq!(ignored, "");
}
