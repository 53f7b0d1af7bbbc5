//! What a file holds, and what is wrong with it.

use alloc::{vec, vec::Vec};

use lwm2m_core::{ObjectId, ResourceId};

use super::fault::{DdfError, DdfFault, Place, Severity};
use crate::definition::{DefinitionError, DefinitionFault, ObjectDefinition};

/// The Objects of a file that can be used, and all faults that the file has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The Objects, in the order of the file. Each can be [used](ObjectDefinition::check).
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

    /// The faults for which nothing is left out.
    pub fn warnings(&self) -> impl Iterator<Item = &DdfError> {
        let faults = self.faults.iter();
        faults.filter(|fault| fault.severity == Severity::Warning)
    }

    /// The faults for which an Object, or the whole file, is left out.
    pub fn errors(&self) -> impl Iterator<Item = &DdfError> {
        let faults = self.faults.iter();
        faults.filter(|fault| fault.severity != Severity::Warning)
    }

    /// The Objects, if none is left out; else the first error.
    pub fn complete(self) -> Result<Vec<ObjectDefinition>, DdfError> {
        let mut faults = self.faults.into_iter();
        faults
            .find(|fault| fault.severity != Severity::Warning)
            .map_or(Ok(self.objects), Err)
    }

    /// The Objects, if nothing is wrong with the file: warnings count as errors, and the first of
    /// them all is told. For authors of definitions, who want every rule checked. The definitions
    /// are [valid](ObjectDefinition::validate) then.
    pub fn strict(self) -> Result<Vec<ObjectDefinition>, DdfError> {
        let mut faults = self.faults.into_iter();
        faults.next().map_or(Ok(self.objects), Err)
    }
}

/// Faults as they are found while elements are read, Object by Object.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// How many of them are not of the current Object.
    before: usize,
    /// The current Object, once its identifier is read.
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
    /// The Object stays.
    pub(super) fn warn(&mut self, offset: usize, fault: DdfFault) {
        self.add(offset, Severity::Warning, fault);
    }

    /// The Object is left out.
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

    /// A rule of the template that an Object, or a Resource of it, breaks. Of an Object without an
    /// identifier, which is left out anyway, that is not told.
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

    /// Tells the identifier of the current Object.
    pub(super) fn identify(&mut self, object: ObjectId) {
        self.object = Some(object);
    }

    /// The current Object ends. Whether it can be used.
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

    /// The report on the text that all this was found in.
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
