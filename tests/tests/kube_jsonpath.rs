//! Templates of `-o jsonpath` print what kubectl's own library prints for the same objects (`tests/reference/jsonpath`).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use etcdsnap_core::kubernetes::json_template::{JsonTemplate, TemplateForm};
use etcdsnap_core::kubernetes::json_template_needs::{keep_fields, needs_of_items};
use etcdsnap_core::kubernetes::object_tree::{Builder, Node};
use etcdsnap_core::kubernetes::raw_json;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::recorded::RecordedCluster;
use etcdsnap_tests::seeded_random::SeededRandom;
use serde_json::{Value, json};

/// Templates with the same output for every order of a map's members.
const TEMPLATES: &[&str] = &[
    "{.kind}",
    "{$.kind} {@.kind}{ .kind }",
    "{.items[*].metadata.name}",
    "{.items[*].kind}\n{.metadata}",
    "{.items[0]}",
    "{.items[-1].metadata.labels}",
    "{.items[99].metadata.name}",
    "{.items[-99].metadata.name}",
    "{.items[0:2].metadata.name}",
    "{.items[1:].kind}",
    "{.items[:-1].kind}",
    "{.items[::2].metadata.name}",
    "{.items[3:1].metadata.name}",
    "{.items[1:1].metadata.name}",
    "{.items[0:999].metadata.name}",
    "{.items[0:3:0].metadata.name}",
    "{.items[0,2].metadata.name}",
    "{.items[*]['metadata.name','kind']}",
    "{.items[*].metadata['name', 'namespace']}",
    r"{.items[*].metadata.labels['app']}",
    r"{.items[*].metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}",
    r"{.items[*].metadata.annotations['kubectl\.kubernetes\.io/last-applied-configuration']}",
    r#"{range .items[*]}{.metadata.name}{"\t"}{.status.phase}{"\n"}{end}"#,
    r#"{range .items[*]}{.metadata.namespace}/{.metadata.name}: {range .spec.containers[*]}{.name}={.image};{end}{"\n"}{end}done"#,
    "{range .items[*]}{.spec.replicas} {.spec.nothing}{end}",
    "{range .nothing[*]}{.x}{end}after",
    "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
    r#"{.items[?(@.kind=="Pod")].metadata.name}"#,
    r#"{.items[?(@.kind!='Pod')].metadata.name}"#,
    "{.items[?(@.spec.replicas>1)].metadata.name}",
    "{.items[?(@.spec.replicas>=2)].spec.replicas}",
    "{.items[?(@.spec.replicas<2)].spec.replicas}",
    "{.items[?(@.metadata.labels)].metadata.name}",
    "{.items[?(@.metadata.name==@.metadata.labels.app)].metadata.name}",
    r#"{.items[*].status.conditions[?(@.type=="Ready")].status}"#,
    r#"{range .items[?(@.kind=="Pod")]}{.status.conditions[?(@.status=="True")].type}{"|"}{end}"#,
    "{.items[?(@.spec.hostNetwork==true)].metadata.name}",
    "{.items[*].spec.containers[0].ports}",
    "{.items[*].spec.template.spec.containers[*].resources}",
    "{.items[*].metadata.nothing[3].x}",
    "{.kind.x}",
    "{.kind[0]}",
    "{.items.name}",
    "{.kind[?(@.x)]}",
    "{.metadata[*]}",
    "{1}{2.5}{true}{false}{\"text\"}{'it'}",
    r#"{"a\tb\nc\"d"}"#,
    "text without a path",
    "{}",
    "{.items[*].data}",
    "{.items[*].metadata.managedFields[*].manager}",
    "{.items[*].spec.size}",
    "{.items[*].spec}",
    // Unsupported templates.
    "{.kind",
    "{.kind}}",
    "{end}",
    "{range .items[*]}{end}{end}",
    "{foo}",
    "{.items[a]}",
    "{.items[0}",
    "{.items[?(@.x=='a'}",
    "{.items[?(@.a=~'x')]}",
    "{.items[?(@.a=='x' && @.b)]}",
    "{......a}",
    "{'a}",
];

/// Templates that print values in the order of a map's members, which is random in Go.
const UNORDERED: &[&str] = &[
    "{..name}",
    "{..image}",
    "{.items[0]..name}",
    "{.items[*].metadata.labels.*}",
    "{range .items[*]}{..containerPort} {end}",
    "{.items[*]..resources.requests}",
];

fn node(json: &str) -> Node<'_> {
    let mut builder = Builder::default();
    raw_json::read(json.as_bytes(), &mut builder).expect("JSON");
    let mut node = builder.finish();
    node.sort();
    node
}

/// Renders a template over a List, with only the fields of its items that the template needs.
fn ours(template: &str, list: &str, form: TemplateForm) -> Result<String, String> {
    let template = JsonTemplate::parse(template)?;
    let whole = node(list);
    let mut less = whole.clone();
    if let (Some(needs), Some(Node::Array(items))) = (needs_of_items(&template), less.get_mut("items")) {
        let needs: Vec<&[String]> = needs.iter().map(Vec::as_slice).collect();
        items.iter_mut().for_each(|item| keep_fields(item, &needs));
    }
    let print = |node: &Node<'_>| {
        let mut out = Vec::new();
        template.print(node, form, &mut out).map(|()| String::from_utf8(out).expect("UTF-8"))
    };
    let said = print(&whole);
    assert_eq!(print(&less), said, "fewer fields than it needs");
    said
}

fn answers(program: &Path, lines: &[String]) -> Vec<Value> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut to = child.stdin.take().expect("a pipe");
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || to.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect()
}

/// Returns Lists of a few of the recorded objects each.
fn lists() -> Vec<String> {
    let recorded = RecordedCluster::open("plain");
    let mut rng = SeededRandom::new(17);
    let bodies: Vec<String> = recorded.answers("answers.jsonl.zst").bodies.into_values().collect();
    let wanted = ["Pod", "Deployment", "Service", "Widget", "ConfigMap", "StatefulSet"];
    let of_kind = |body: &&String| wanted.iter().any(|kind| body.contains(&format!("\"kind\":\"{kind}\",")));
    let bodies: Vec<&String> = bodies.iter().filter(of_kind).collect();
    assert!(bodies.len() > 40, "{}", bodies.len());
    let mut lists = Vec::new();
    for count in [0, 1, 3, 5, 12] {
        let items: Vec<&str> = (0..count).map(|_| bodies[rng.below(bodies.len())].as_str()).collect();
        lists.push(format!(
            r#"{{"apiVersion":"v1","items":[{}],"kind":"List","metadata":{{"resourceVersion":""}}}}"#,
            items.join(",")
        ));
    }
    lists
}

/// Sorts the words of a text whose parts may have any order.
fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn templates_print_what_kubectls_library_prints() {
    let Some(program) = reference("jsonpath", "jsonpath") else { return };
    let lists = lists();
    let all: Vec<(&str, bool, &String)> = lists
        .iter()
        .flat_map(|list| {
            let ordered = TEMPLATES.iter().map(move |template| (*template, true, list));
            ordered.chain(UNORDERED.iter().map(move |template| (*template, false, list)))
        })
        .collect();
    let lines: Vec<String> =
        all.iter().map(|(template, _, list)| json!({ "template": template, "json": list }).to_string()).collect();
    let answers = answers(&program, &lines);
    assert_eq!(answers.len(), all.len());
    let (mut printed, mut refused, mut wrong) = (0, 0, Vec::new());
    for ((template, in_order, list), theirs) in all.iter().zip(&answers) {
        let text = |name: &str| theirs[name].as_str().unwrap_or_default();
        let said = ours(template, list, TemplateForm::Text);
        let as_list = ours(template, list, TemplateForm::Json);
        let is_same = match (&said, theirs["error"].is_string()) {
            (Err(_), true) => {
                refused += 1;
                as_list.is_err()
            }
            (Ok(said), false) if *in_order => {
                printed += usize::from(!said.is_empty());
                *said == text("text") && as_list.as_deref() == Ok(text("list"))
            }
            (Ok(said), false) => sorted(said) == sorted(text("text")),
            _ => false,
        };
        if !is_same {
            wrong.push(format!("{template}\n  ours   {said:?} {as_list:?}\n  theirs {theirs}"));
        }
    }
    let shown: Vec<String> = wrong.iter().take(12).map(|text| text.chars().take(6000).collect()).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), shown.join("\n"));
    assert!(printed > 100 && refused > 50, "{printed} printed, {refused} refused");
}
