//! The Objects in a file, and its faults.

use alloc::{vec, vec::Vec};

use lwm2m_core::{ObjectId, ResourceId};

use super::fault::{DdfError, DdfFault, Place, Severity};
use crate::definition::{DefinitionError, DefinitionFault, ObjectDefinition};

/// The usable Objects of a file, and all of its faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The usable Objects ([`ObjectDefinition::check`]), in the order of the file.
    pub objects: Vec<ObjectDefinition>,
    /// The faults, in the order of the file.
    pub faults: Vec<DdfError>,
}

impl Report {
    /// The report on a file that cannot be read.
    pub(super) fn refused(error: DdfError) -> Self {
        Self {
            objects: Vec::new(),
            faults: vec![error],
        }
    }

    /// The faults that cost nothing.
    pub fn warnings(&self) -> impl Iterator<Item = &DdfError> {
        let faults = self.faults.iter();
        faults.filter(|fault| fault.severity == Severity::Warning)
    }

    /// The faults that cost an Object, or the whole file.
    pub fn errors(&self) -> impl Iterator<Item = &DdfError> {
        let faults = self.faults.iter();
        faults.filter(|fault| fault.severity != Severity::Warning)
    }

    /// The Objects if none is left out, or the first error.
    pub fn complete(self) -> Result<Vec<ObjectDefinition>, DdfError> {
        let mut faults = self.faults.into_iter();
        faults
            .find(|fault| fault.severity != Severity::Warning)
            .map_or(Ok(self.objects), Err)
    }

    /// The Objects if the file has no fault, or the first fault: warnings count as errors. It is for
    /// authors of definitions, who want every rule checked. The definitions are then
    /// [valid](ObjectDefinition::validate).
    pub fn strict(self) -> Result<Vec<ObjectDefinition>, DdfError> {
        let mut faults = self.faults.into_iter();
        faults.next().map_or(Ok(self.objects), Err)
    }
}

/// Collects faults while elements are read, Object by Object.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// How many faults were found before the current Object.
    before: usize,
    /// The current Object, once its identifier has been read.
    object: Option<ObjectId>,
}

#[derive(Debug)]
struct Finding {
    offset: usize,
    severity: Severity,
    object: Option<ObjectId>,
    fault: DdfFault,
}

impl Findings {
    /// A warning: the Object is kept.
    pub(super) fn warn(&mut self, offset: usize, fault: DdfFault) {
        self.add(offset, Severity::Warning, fault);
    }

    /// An error: the Object is left out.
    pub(super) fn error(&mut self, offset: usize, fault: DdfFault) {
        self.add(offset, Severity::Object, fault);
    }

    fn add(&mut self, offset: usize, severity: Severity, fault: DdfFault) {
        self.found.push(Finding {
            offset,
            severity,
            object: None,
            fault,
        });
    }

    /// The current Object, or a Resource of it, breaks a rule of the template. Without an identifier
    /// the Object is left out anyway, and this is not reported.
    pub(super) fn rule(
        &mut self,
        offset: usize,
        severity: Severity,
        resource: Option<ResourceId>,
        fault: DefinitionFault,
    ) {
        if let Some(object) = self.object {
            let error = DefinitionError {
                object,
                resource,
                fault,
            };
            self.add(offset, severity, DdfFault::Definition(error));
        }
    }

    /// Sets the identifier of the current Object.
    pub(super) fn identify(&mut self, object: ObjectId) {
        self.object = Some(object);
    }

    /// Ends the current Object. Returns whether it can be used.
    pub(super) fn end_object(&mut self) -> bool {
        let object = self.object.take();
        let of_object = self.found.iter_mut().skip(self.before);
        let usable = of_object.fold(true, |usable, finding| {
            finding.object = object;
            usable && finding.severity == Severity::Warning
        });
        self.before = self.found.len();
        usable
    }

    /// The report on the text with these faults.
    pub(super) fn report(mut self, objects: Vec<ObjectDefinition>, text: &str) -> Report {
        self.found.sort_by_key(|finding| finding.offset);
        let mut place = Place::START;
        let faults = self.found.into_iter().map(|finding| {
            place.advance(text, finding.offset);
            place.error(finding.severity, finding.object, finding.fault)
        });
        Report {
            faults: faults.collect(),
            objects,
        }
    }
}
