//! Reads elements and attributes.

use alloc::borrow::Cow;

use lwm2m_core::Version;
use roxmltree::Node;

use super::{fault::DdfFault, report::Findings};
use crate::definition::Multiplicity;

/// The namespace of `xml:space`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Descriptive elements: they decide neither what is defined nor which values it has.
const DESCRIBING: [&str; 6] = [
    "Name",
    "Description1",
    "Description2",
    "Description",
    "Units",
    "LWM2MVersion",
];

/// The elements with this name below a node.
pub(super) fn elements<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The elements with these names below a node; of two with the same name, the first.
pub(super) fn fields<'a, 'input, const N: usize>(
    node: Node<'a, 'input>,
    names: [&'static str; N],
    findings: &mut Findings,
) -> [Option<Node<'a, 'input>>; N] {
    let mut found = [None; N];
    for child in node.children().filter(Node::is_element) {
        let name = match child.tag_name().name() {
            // Appendix J spells an element of the schema (Appendix K) this way.
            "LwM2MVersion" => "LWM2MVersion",
            name => name,
        };
        let mut fields = names.iter().zip(&mut found);
        let Some((name, slot)) = fields.find(|(field, _)| **field == name) else {
            continue;
        };
        if slot.is_none() {
            *slot = Some(child);
        } else if DESCRIBING.contains(name) {
            findings.warn(start(child), DdfFault::Repeated(name));
        } else {
            findings.error(start(child), DdfFault::Repeated(name));
        }
    }
    found
}

/// The text of an element without comments, and without white space around it, unless the element
/// preserves that.
pub(super) fn text<'a>(node: Option<Node<'a, '_>>) -> Cow<'a, str> {
    let Some(node) = node else {
        return Cow::Borrowed("");
    };
    let mut texts = node.children().filter_map(|child| match child {
        text if text.is_text() => text.text(),
        _ => None,
    });
    let mut text = Cow::Borrowed(texts.next().unwrap_or_default());
    for more in texts {
        text.to_mut().push_str(more);
    }
    if node.attribute((XML, "space")) == Some("preserve") {
        return text;
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().into()),
    }
}

pub(super) fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    match text {
        Cow::Borrowed("") => Cow::Borrowed(""),
        text => Cow::Owned(text.into_owned()),
    }
}

/// Where an element is.
pub(super) fn start(node: Node<'_, '_>) -> usize {
    node.range().start
}

/// Where the text of an element is.
pub(super) fn text_start(node: Node<'_, '_>) -> usize {
    start(node.first_child().unwrap_or(node))
}

/// The number that an element or attribute must have.
pub(super) fn number(
    text: &str,
    offset: usize,
    name: &'static str,
    findings: &mut Findings,
) -> Option<u16> {
    let number = sixteen_bits(text);
    if number.is_none() {
        let fault = DdfFault::value(name, "a number of 0 to 65535", text);
        findings.error(offset, fault);
    }
    number
}

/// A decimal number without a sign.
pub(super) fn sixteen_bits(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The version in an element, if there is one, or the fault.
pub(super) fn version(
    node: Option<Node<'_, '_>>,
    name: &'static str,
) -> Result<Option<Version>, DdfFault> {
    let text = text(node);
    if text.is_empty() {
        return Ok(None);
    }
    let version = text.parse().map(Some);
    version.map_err(|_| DdfFault::value(name, "a version such as 1.0", &text))
}

pub(super) fn multiplicity(node: Option<Node<'_, '_>>, findings: &mut Findings) -> Multiplicity {
    let choice = [
        ("Single", Multiplicity::Single),
        ("Multiple", Multiplicity::Multiple),
    ];
    let expected = "Single or Multiple";
    choose(node, "MultipleInstances", expected, choice, findings)
}

pub(super) fn mandatory(node: Option<Node<'_, '_>>, findings: &mut Findings) -> bool {
    let choice = [("Optional", false), ("Mandatory", true)];
    let expected = "Mandatory or Optional";
    choose(node, "Mandatory", expected, choice, findings)
}

/// One of two values; the first if the element is missing or empty.
fn choose<T: Copy>(
    node: Option<Node<'_, '_>>,
    name: &'static str,
    expected: &'static str,
    choice: [(&str, T); 2],
    findings: &mut Findings,
) -> T {
    let [(_, default), _] = choice;
    let text = text(node);
    let Some(node) = node.filter(|_| !text.is_empty()) else {
        return default;
    };
    let mut choices = choice.iter();
    let chosen = choices.find(|(name, _)| text.eq_ignore_ascii_case(name));
    if chosen.is_none() {
        let fault = DdfFault::value(name, expected, &text);
        findings.error(text_start(node), fault);
    }
    chosen.map_or(default, |(_, chosen)| *chosen)
}
