//! An Object as it is now, or as it was before the commits that are held.

use lwm2m_core::{InstanceId, ResourceId};

use super::{
    error::ReadError,
    held::before::Before,
    object::Object,
    sink::{InstanceSink, ResourceSink},
};

/// An Object as it is now, or as it was before the commits that are held.
#[derive(Clone, Copy)]
pub(super) struct Seen<'t> {
    object: &'t dyn Object,
    before: Option<&'t Before>,
}

impl<'t> Seen<'t> {
    /// The Object as it is.
    #[inline]
    pub(super) const fn now(object: &'t dyn Object) -> Self {
        Self {
            object,
            before: None,
        }
    }

    /// The Object as it was, as far as it has been changed since.
    #[inline]
    pub(super) const fn before(object: &'t dyn Object, before: Option<&'t Before>) -> Self {
        Self { object, before }
    }

    /// The Object, whose Object Instances and values are those of now.
    #[inline]
    pub(super) const fn object(self) -> &'t dyn Object {
        self.object
    }

    /// Whether an Object Instance is not seen as it is now.
    fn is_changed(self, instance: InstanceId) -> bool {
        self.before.is_some_and(|before| before.has(instance))
    }

    /// The Object Instances, in order.
    pub(super) fn instances(self) -> impl Iterator<Item = InstanceId> + use<'t> {
        let next = move |after| self.next_instance(after);
        core::iter::successors(next(None), move |last| next(Some(*last)))
    }

    fn next_instance(self, after: Option<InstanceId>) -> Option<InstanceId> {
        let Some(before) = self.before else {
            return self.object.next_instance(after);
        };
        let mut there = self.object.next_instance(after);
        while let Some(new) = there.filter(|there| before.was_absent(*there)) {
            there = self.object.next_instance(Some(new));
        }
        let gone = before.next_gone(self.object, after);
        there.into_iter().chain(gone).min()
    }

    #[inline]
    pub(super) fn has_instance(self, instance: InstanceId) -> bool {
        match self.before {
            Some(before) if before.has(instance) => !before.was_absent(instance),
            _ => self.object.has_instance(instance),
        }
    }

    #[inline]
    pub(super) fn has(self, instance: InstanceId, resource: ResourceId) -> bool {
        let before = self
            .before
            .and_then(|before| before.had(instance, resource));
        before.unwrap_or_else(|| self.object.has(instance, resource))
    }

    #[inline]
    pub(super) fn read(
        self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        let before = self
            .before
            .and_then(|before| before.push(instance, resource, out));
        before.unwrap_or_else(|| self.object.read(instance, resource, out))
    }

    /// Pushes all readable Resources of an Object Instance, in order.
    pub(super) fn read_instance(
        self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        if !self.is_changed(instance) {
            return self.object.read_instance(instance, out);
        }
        let resources = self.object.definition().resources.iter();
        let readable = resources.filter(|resource| resource.operations.readable());
        for resource in readable.filter(|resource| self.has(instance, resource.id)) {
            out.resource(resource, |out| self.read(instance, resource.id, out))?;
        }
        Ok(())
    }

    /// The Object, for what isn't seen otherwise than it is now.
    pub(super) fn unchanged(self, instance: InstanceId) -> Option<&'t dyn Object> {
        (!self.is_changed(instance)).then_some(self.object)
    }
}
