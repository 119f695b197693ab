//! The objects that `kube find` looks for, and what each file says of them.

use std::collections::BTreeSet;

use etcdsnap::{Found, FoundObject, ObjectAnswer, ObjectName, ObjectState, printable};

/// A file that was read, with its answer.
pub type Read<'f> = (&'f Found<ObjectAnswer>, &'f ObjectAnswer);

/// One object, in one namespace or in none.
pub struct FindTarget {
    /// Its key among the states of an answer.
    pub object: FoundObject,
    /// Its type as it was typed.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; `None` if it has none, or if no file tells.
    pub namespace: Option<String>,
}

impl FindTarget {
    /// Returns the objects of these names: one for each namespace in which a file has the object, and at least one for each name.
    pub fn all(names: &[ObjectName], read: &[Read<'_>]) -> Vec<Self> {
        let mut targets = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let known = read.iter().flat_map(|(_, answer)| answer.states.keys());
            let mut namespaces: BTreeSet<Vec<u8>> =
                known.filter(|(of, _)| *of == number).map(|(_, namespace)| namespace.clone()).collect();
            let is_known = !namespaces.is_empty();
            if !is_known {
                namespaces.insert(name.namespace.clone().unwrap_or_default().into_bytes());
            }
            for namespace in namespaces {
                let shown = Some(String::from_utf8_lossy(&namespace).into_owned()).filter(|shown| !shown.is_empty());
                let (kind, name) = (name.kind.clone(), name.name.clone());
                targets.push(Self { object: (number, namespace), kind, name, namespace: shown });
            }
        }
        targets
    }

    /// Returns its state in a file; `None` if it is neither there nor known to be deleted.
    pub fn state<'a>(&self, answer: &'a ObjectAnswer) -> Option<&'a ObjectState> {
        answer.states.get(&self.object)
    }

    /// Counts the files in which it exists.
    pub fn holding(&self, read: &[Read<'_>]) -> u64 {
        let has = |answer: &ObjectAnswer| self.state(answer).is_some_and(|state| !state.is_deleted());
        read.iter().filter(|(_, answer)| has(answer)).count() as u64
    }

    /// Names it in a sentence.
    pub fn called(&self) -> String {
        self.name_and(" in namespace ")
    }

    /// Names it in a table of several objects.
    pub fn short(&self) -> String {
        self.name_and(" in ")
    }

    fn name_and(&self, before_namespace: &str) -> String {
        let place = self.namespace.as_ref().map(|namespace| format!("{before_namespace}{namespace}"));
        printable(&format!("{}/{}{}", self.kind, self.name, place.unwrap_or_default()))
    }
}
