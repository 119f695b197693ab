//! Objects printed by a template, as `kubectl get -o jsonpath=…` does.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

use etcdsnap::core::kubernetes::decode::Skip;
use etcdsnap::core::kubernetes::json_template::{JsonTemplate, TemplateForm};
use etcdsnap::core::kubernetes::json_template_needs::{keep_fields, needs_of_items};
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::{is_secret, printable};

use crate::cli::failure::Failure;
use crate::cli::inspect::key_text::ShownValue;
use crate::cli::output::{self, Lines};

/// A parsed template with its output form.
pub struct ObjectTemplate {
    form: TemplateForm,
    text: String,
    template: JsonTemplate,
}

impl ObjectTemplate {
    /// Parses it.
    ///
    /// # Errors
    /// When it cannot be parsed.
    pub fn parse(form: TemplateForm, text: &str) -> Result<Self, Failure> {
        let template = JsonTemplate::parse(text).map_err(|cause| {
            let what = format!("the template {} {}", printable(text), printable(&cause));
            Failure::new(what, "Write such as '{range .items[*]}{.metadata.name}{\"\\n\"}{end}'.")
        })?;
        Ok(Self { form, text: text.to_owned(), template })
    }

    /// The fields that the template does not need.
    pub fn skipped(&self, is_list: bool) -> Skip {
        let is_managed = |path: &Vec<String>| {
            path.first().is_some_and(|first| first == "metadata")
                && path.get(1).is_none_or(|name| name == "managedFields")
        };
        match needs_of_items(&self.template).filter(|_| is_list) {
            Some(needs) if !needs.iter().any(is_managed) => Skip::ManagedFields,
            _ => Skip::Nothing,
        }
    }

    /// Prints one object, or a list of all objects that `objects` passes with their keys. Only the fields that the template needs are kept in memory.
    ///
    /// # Errors
    /// When an object cannot be read, the template fails, or stdout cannot be written.
    pub fn print(
        &self,
        is_list: bool,
        show_secrets: bool,
        objects: impl FnOnce(&mut dyn FnMut(&[u8], Node<'_>) -> Result<bool, Failure>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let needs = needs_of_items(&self.template).filter(|_| is_list);
        let needs: Option<Vec<&[String]>> = needs.as_ref().map(|needs| needs.iter().map(Vec::as_slice).collect());
        let mut items = Vec::new();
        let mut has_secrets = false;
        objects(&mut |key, mut node| {
            has_secrets |= is_secret(key);
            if let Some(needs) = &needs {
                keep_fields(&mut node, needs);
            }
            items.push(node.into_owned());
            Ok(true)
        })?;
        let mut object = if is_list {
            let member = |name: &'static str, value| (Cow::Borrowed(name), value);
            let text = |text: &'static str| Node::Text(text.into());
            Node::Object(vec![
                member("apiVersion", text("v1")),
                member("items", Node::Array(items)),
                member("kind", text("List")),
                member("metadata", Node::Object(vec![member("resourceVersion", text(""))])),
            ])
        } else {
            match items.pop() {
                Some(object) => object,
                None => return Ok(()),
            }
        };
        object.sort();
        if self.template.is_constant() {
            output::warn("The template has no path in braces, so that it prints itself: write '{.metadata.name}'.");
        }
        if has_secrets && !show_secrets {
            output::warn("Values of secrets are hidden: --show-secrets prints them.");
        }
        let mut out = Vec::new();
        self.template.print(&object, self.form, &mut out).map_err(|cause| {
            let what = format!("the template {} cannot be filled in: {}", printable(&self.text), printable(&cause));
            Failure::new(what, "See the objects with -o yaml.")
        })?;
        let mut lines = Lines::new();
        if io::stdout().is_terminal() {
            lines.write_with(|to| write!(to, "{}", ShownValue(&out)))?;
        } else {
            lines.write(&out)?;
        }
        lines.finish()
    }
}
