//! The general reader (RFC 6690).

// Measured: it halves the time to read a list.
#![expect(
    clippy::inline_always,
    reason = "small functions that are called once per byte or link"
)]

use core::iter::FusedIterator;

use crate::{
    attribute::{Attribute, AttributeValue},
    class::is_name,
    error::{LinkFormatError, Reason},
    grammar::{self, Stop, skip_blanks},
    located::Located,
};

/// The links of a document, one after the other, borrowed from it.
///
/// An error is the last item. An empty document has no links.
///
/// ```
/// use lwm2m_linkformat::Links;
///
/// let mut links = Links::new(r#"</s>;ct=40;title="a, \"b\"; c", </s/1>;obs"#);
///
/// let link = links.next().unwrap()?;
/// assert_eq!(link.target, "/s");
/// assert_eq!(link.value("ct").unwrap(), "40");
/// assert_eq!(link.value("title").unwrap().unquoted(), r#"a, "b"; c"#);
///
/// let link = links.next().unwrap()?;
/// let names: Vec<_> = link.attributes().map(|attribute| attribute.name).collect();
/// assert_eq!((link.target, names), ("/s/1", vec!["obs"]));
/// # assert!(links.next().is_none());
/// # Ok::<(), lwm2m_linkformat::LinkFormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Links<'a> {
    rest: &'a str,
    /// The offset at which `rest` ends.
    end: usize,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing was read yet.
    Start,
    /// Nothing can be read: the document is not UTF-8 from `end` on.
    NotUtf8,
    /// After a comma a link must follow.
    Comma,
    End,
}

impl<'a> Links<'a> {
    /// The links of this document: text, or bytes that should be UTF-8.
    pub fn new<D: AsRef<[u8]> + ?Sized>(document: &'a D) -> Self {
        match core::str::from_utf8(document.as_ref()) {
            Ok(text) => Self {
                rest: text,
                end: text.len(),
                state: State::Start,
            },
            Err(error) => Self {
                rest: "",
                end: error.valid_up_to(),
                state: State::NotUtf8,
            },
        }
    }

    /// The next link that `read` makes something of. An error ends the document.
    #[inline]
    pub(crate) fn find_document_link<T>(
        &mut self,
        mut read: impl FnMut(Link<'a>) -> Result<Option<T>, LinkFormatError>,
    ) -> Option<Result<T, LinkFormatError>> {
        let item = self.find_map(|link| link.and_then(&mut read).transpose());
        if let Some(Err(_)) = item {
            self.end();
        }
        item
    }

    /// Takes the element without a target that a document may begin with (TS 5.2.7.3): an attribute of
    /// this name, and others.
    pub(crate) fn leading_element(
        &mut self,
        name: &str,
    ) -> Result<Option<Located<'a>>, LinkFormatError> {
        if !matches!(self.state, State::Start) {
            return Ok(None);
        }
        let text = skip_blanks(self.rest);
        if !text.bytes().next().is_some_and(is_name) {
            return Ok(None);
        }
        let element = grammar::attribute(text)
            .map_err(Stop::from)
            .and_then(|(rest, first)| {
                if first.name != name {
                    let reason = Reason::Link;
                    return Err(Stop { rest: text, reason });
                }
                let value = first.value;
                let end = self.offset(rest);
                self.attributes(rest, |_| {})?;
                Ok(Located { value, end })
            });
        element.map(Some).map_err(|stop| self.fail(&stop))
    }

    /// Whether a later link may have attributes.
    pub(crate) fn may_have_attributes(&self) -> bool {
        self.rest.as_bytes().contains(&b';')
    }

    /// Reads no more.
    pub(crate) const fn end(&mut self) {
        self.state = State::End;
    }

    /// The next link; `see` gets its attributes as they come. Inlined, so that a link is built where it
    /// is used.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        see: impl FnMut((&'a str, Located<'a>)),
    ) -> Option<Result<Link<'a>, LinkFormatError>> {
        let text = match self.state {
            State::Start => match skip_blanks(self.rest) {
                "" => return None,
                text => text,
            },
            State::Comma => self.rest,
            State::NotUtf8 => {
                self.state = State::End;
                return Some(Err(LinkFormatError::new(self.end, Reason::Utf8)));
            }
            State::End => return None,
        };
        match self.link(text, see) {
            Ok(link) => Some(Ok(link)),
            Err(stop) => Some(Err(self.fail(&stop))),
        }
    }

    /// Takes the next link if it has no attributes, another one follows, and `target` understands how
    /// its target begins. It is given the text from the target on, and returns what is left of it.
    #[inline(always)]
    pub(crate) fn take_plain<T>(
        &mut self,
        target: impl FnOnce(&'a [u8]) -> Option<(T, &'a [u8])>,
    ) -> Option<T> {
        let (State::Comma, [b'<', text @ ..]) = (self.state, self.rest.as_bytes()) else {
            return None;
        };
        let (item, [b'>', b',', next @ ..]) = target(text)? else {
            return None;
        };
        let taken = self.rest.len().saturating_sub(next.len());
        self.separated(self.rest.get(taken..)?);
        Some(item)
    }

    /// `link-value`, and the comma or the end after it.
    #[inline(always)]
    fn link(
        &mut self,
        text: &'a str,
        see: impl FnMut((&'a str, Located<'a>)),
    ) -> Result<Link<'a>, Stop<'a>> {
        let (rest, target) = grammar::target(text)?;
        let attributes = self.attributes(rest, see)?;
        Ok(Link {
            target,
            offset: self.offset(text),
            attributes,
            end: self.offset(rest).saturating_add(attributes.len()),
        })
    }

    /// `*( ";" link-param )`, and the comma or the end after it. Returns the former.
    #[inline(always)]
    fn attributes(
        &mut self,
        text: &'a str,
        see: impl FnMut((&'a str, Located<'a>)),
    ) -> Result<&'a str, Stop<'a>> {
        // Most links have none.
        match text.strip_prefix(',') {
            Some(next) => {
                self.separated(next);
                Ok("")
            }
            None => self.some_attributes(text, see),
        }
    }

    fn some_attributes(
        &mut self,
        text: &'a str,
        mut see: impl FnMut((&'a str, Located<'a>)),
    ) -> Result<&'a str, Stop<'a>> {
        let mut end = text;
        let mut rest = skip_blanks(text);
        while let Some(attribute) = rest.strip_prefix(';') {
            let (after, Attribute { name, value }) = grammar::attribute(skip_blanks(attribute))?;
            end = after;
            rest = skip_blanks(end);
            let end = self.offset(end);
            see((name, Located { value, end }));
        }
        if let Some(next) = rest.strip_prefix(',') {
            self.separated(next);
        } else if rest.is_empty() {
            self.end();
        } else {
            let reason = Reason::Separator;
            return Err(Stop { rest, reason });
        }
        let length = text.len().saturating_sub(end.len());
        Ok(text.get(..length).unwrap_or_default())
    }

    /// Goes on after a comma.
    #[inline(always)]
    fn separated(&mut self, next: &'a str) {
        self.rest = skip_blanks(next);
        self.state = State::Comma;
    }

    /// The offset of this rest of the document.
    fn offset(&self, rest: &str) -> usize {
        self.end.saturating_sub(rest.len())
    }

    #[cold]
    fn fail(&mut self, stop: &Stop<'_>) -> LinkFormatError {
        self.end();
        LinkFormatError::new(self.offset(stop.rest), stop.reason)
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = Result<Link<'a>, LinkFormatError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.read(|_| {})
    }
}

impl FusedIterator for Links<'_> {}

/// One link of a document.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The URI reference between the brackets, as it is written.
    pub target: &'a str,
    /// Where the link's `<` is in the document.
    offset: usize,
    /// The attributes with their semicolons.
    attributes: &'a str,
    /// The offset at which they end.
    end: usize,
}

impl<'a> Link<'a> {
    /// Where the link begins in its document, in bytes.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The attributes in their order.
    #[inline]
    pub const fn attributes(&self) -> LinkAttributes<'a> {
        LinkAttributes {
            rest: self.attributes,
            end: self.end,
        }
    }

    /// The first attribute of this name. Later ones are ignored (RFC 6690).
    pub fn attribute(&self, name: &str) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// The value of the first attribute of this name, if it has one.
    pub fn value(&self, name: &str) -> Option<AttributeValue<'a>> {
        self.attribute(name)?.value
    }

    /// The first attribute of this name, and where it is.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<Located<'a>> {
        // Most links have none.
        if self.attributes.is_empty() {
            return None;
        }
        let mut attributes = self.attributes();
        while let Some((other, located)) = attributes.next_located() {
            if other == name {
                return Some(located);
            }
        }
        None
    }

    /// An error at the target of this link.
    pub(crate) const fn target_error(&self, reason: Reason) -> LinkFormatError {
        LinkFormatError::new(self.offset.saturating_add(1), reason)
    }
}

/// The attributes of a [`Link`], one after the other.
#[derive(Clone, Debug)]
pub struct LinkAttributes<'a> {
    /// Text that the grammar has read once already.
    rest: &'a str,
    /// The offset at which `rest` ends.
    end: usize,
}

impl<'a> LinkAttributes<'a> {
    /// The next attribute, and where it is.
    #[inline]
    pub(crate) fn next_located(&mut self) -> Option<(&'a str, Located<'a>)> {
        let Attribute { name, value } = self.next()?;
        let end = self.end.saturating_sub(self.rest.len());
        Some((name, Located { value, end }))
    }

    #[inline(never)]
    fn read(&mut self) -> Option<Attribute<'a>> {
        let text = skip_blanks(self.rest).strip_prefix(';')?;
        let (rest, attribute) = grammar::attribute(skip_blanks(text)).ok()?;
        self.rest = rest;
        Some(attribute)
    }
}

impl<'a> Iterator for LinkAttributes<'a> {
    type Item = Attribute<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Attribute<'a>> {
        // Most links have none.
        if self.rest.is_empty() {
            return None;
        }
        self.read()
    }
}

impl FusedIterator for LinkAttributes<'_> {}
