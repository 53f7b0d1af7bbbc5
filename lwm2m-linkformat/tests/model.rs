//! The readers against plain models: the grammar of RFC 6690, section 2, character by character, and
//! on it the registration list of TS 5.3.1.

use lwm2m_core::{Path, Version};
use lwm2m_linkformat::{Links, RegistrationLink, RegistrationLinks, RootPath};
use proptest::{collection::vec, prelude::*, sample::select};

/// An attribute: its name, and its value with whether it is quoted.
type Attribute = (String, Option<(String, bool)>);
type Link = (String, Vec<Attribute>);

/// The unread rest of a document.
struct Text(Vec<char>);

impl Text {
    fn peek(&self) -> Option<char> {
        self.0.last().copied()
    }

    fn eat(&mut self, char: char) -> bool {
        self.peek() == Some(char) && self.0.pop().is_some()
    }

    fn blanks(&mut self) {
        while let Some(' ' | '\t' | '\r' | '\n') = self.peek() {
            self.0.pop();
        }
    }

    fn many(&mut self, class: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(char) = self.peek().filter(|char| class(*char)) {
            text.push(char);
            self.0.pop();
        }
        text
    }

    /// `link-value-list = [ link-value *[ "," link-value ]]`, with blanks around `,` and `;`.
    fn list(mut self) -> Option<Vec<Link>> {
        let mut links = Vec::new();
        self.blanks();
        if self.peek().is_none() {
            return Some(links);
        }
        loop {
            links.push(self.link()?);
            if self.peek().is_none() {
                return Some(links);
            }
            if !self.eat(',') {
                return None;
            }
            self.blanks();
        }
    }

    /// `"<" URI-Reference ">" *( ";" link-param )`, and blanks after it.
    fn link(&mut self) -> Option<Link> {
        let target = |char: char| !char.is_ascii_control() && !" \"<>".contains(char);
        let in_brackets = self.eat('<').then(|| self.many(target))?;
        if !self.eat('>') {
            return None;
        }
        self.blanks();
        let mut attributes = Vec::new();
        while self.eat(';') {
            self.blanks();
            attributes.push(self.attribute()?);
            self.blanks();
        }
        Some((in_brackets, attributes))
    }

    /// `parmname [ "=" ( ptoken / quoted-string ) ]`
    fn attribute(&mut self) -> Option<Attribute> {
        let name = self.many(|char| char.is_ascii_alphanumeric() || "!#$&*+-.^_`|~".contains(char));
        if name.is_empty() {
            return None;
        }
        if !self.eat('=') {
            return Some((name, None));
        }
        if self.eat('"') {
            let mut value = String::new();
            loop {
                let char = match self.text()? {
                    '"' => return Some((name, Some((value, true)))),
                    '\\' => self.text()?,
                    char => char,
                };
                value.push(char);
            }
        }
        let others = "!#$%&'()*+-./:<=>?@[]^_`{|}~";
        let mut token = || self.many(|char| char.is_ascii_alphanumeric() || others.contains(char));
        let mut value = token();
        // Content formats without quotes.
        while name == "ct" && is_number(value.rsplit(' ').next()?) {
            let mut further = Text(self.0.clone());
            let blanks = further.many(|char| char == ' ');
            let number = further.many(|char| char.is_ascii_digit());
            let ends = further
                .peek()
                .is_none_or(|char| !char.is_ascii_alphanumeric() && !others.contains(char));
            if blanks.is_empty() || number.is_empty() || !ends {
                break;
            }
            value += &blanks;
            value += &number;
            *self = further;
        }
        (!value.is_empty()).then_some((name, Some((value, false))))
    }

    /// A character of a quoted string.
    fn text(&mut self) -> Option<char> {
        let char = self.0.pop()?;
        (!char.is_ascii_control() || char == '\t').then_some(char)
    }
}

fn model(document: &str) -> Option<Vec<Link>> {
    Text(document.chars().rev().collect()).list()
}

fn read(document: &str) -> Option<Vec<Link>> {
    let link = |link: Result<lwm2m_linkformat::Link<'_>, _>| {
        let link = link.ok()?;
        let attributes = link.attributes().map(|attribute| {
            let value = attribute.value;
            let value = value.map(|value| (value.unquoted().into_owned(), value.is_quoted()));
            (attribute.name.to_owned(), value)
        });
        Some((link.target.to_owned(), attributes.collect()))
    };
    Links::new(document).map(link).collect()
}

/// The value of the first attribute of this name; without a value, the empty text.
fn first<'l>(attributes: &'l [Attribute], name: &str) -> Option<&'l str> {
    let (_, value) = attributes.iter().find(|(other, _)| other == name)?;
    Some(value.as_ref().map_or("", |(text, _)| text))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ct`, if it is there, is a list of numbers of 16 bits.
fn content_formats(attributes: &[Attribute]) -> Option<()> {
    let ct = attributes.iter().find(|(name, _)| name == "ct");
    let Some((_, value)) = ct else {
        return Some(());
    };
    let (formats, _) = value.as_ref()?;
    let mut formats = formats.split(' ').filter(|format| !format.is_empty());
    let right = |format: &str| is_number(format) && format.parse::<u16>().is_ok();
    formats.all(right).then_some(())
}

/// The Objects and Object Instances of a list, and where they are.
fn registration_model(document: &str) -> Option<Vec<String>> {
    let links = model(document)?;
    let of_lwm2m = |attributes: &[Attribute]| {
        first(attributes, "rt")
            .is_some_and(|types| types.split(' ').any(|name| name == "oma.lwm2m"))
    };
    // Alternate paths have tests of their own.
    let root = links.iter().find(|(_, attributes)| of_lwm2m(attributes));
    let root = root.map_or(Ok(RootPath::default()), |(target, _)| RootPath::new(target));
    let root = root.ok()?.to_string();
    let prefix = root.strip_suffix('/').unwrap_or(&root);
    let mut said = Vec::new();
    for (target, attributes) in &links {
        // Without its first slash it isn't a path, although examples of the specification have it.
        let slash = if target.starts_with('/') { "" } else { "/" };
        let with_slash = format!("{slash}{target}");
        let Some(below) = with_slash.strip_prefix(prefix) else {
            continue;
        };
        let is_root = below == "/" || below.is_empty() && !prefix.is_empty();
        if is_root && slash.is_empty() {
            content_formats(attributes)?;
            said.push(format!("root {}", of_lwm2m(attributes)));
        }
        let mut segments = below.split('/');
        if segments.next() != Some("") || !segments.next().is_some_and(is_number) {
            continue;
        }
        if !slash.is_empty() {
            return None;
        }
        let path: Path = below.parse().ok()?;
        let version = match (path, first(attributes, "ver")) {
            (Path::Object(object), Some(version)) if object.get() != 0 => {
                Some(version.parse::<Version>().ok()?)
            }
            (Path::Instance(..), Some(version)) => version.parse().ok(),
            _ => None,
        };
        if path.object().is_some_and(|object| object.get() != 0) && path.depth() < 3 {
            said.push(format!("{path} {version:?}"));
        }
    }
    Some(said)
}

fn read_registration(document: &str) -> Option<Vec<String>> {
    let links = RegistrationLinks::new(document).map(|link| {
        Some(match link.ok()? {
            RegistrationLink::Root { resource_type, .. } => format!("root {resource_type}"),
            RegistrationLink::Object { object, version } => format!("/{object} {version:?}"),
            RegistrationLink::Instance {
                object,
                instance,
                version,
            } => format!("/{object}/{instance} {version:?}"),
        })
    });
    links.collect()
}

/// Documents, valid or nearly valid.
fn document() -> impl Strategy<Value = String> {
    let blank = || select(vec!["", "", "", "", " ", "\t", "\r\n"]);
    let target = prop_oneof![
        10 => select(vec![
            "/", "/1/0", "/3", "/3/0", "/44", "/0", "/0/1", "/3/0/1", "/lwm2m", "/lwm2m/", "/lwm2m/3/0",
            "/lwm2m/5", "/lwm2mx/3", "/a/3", "", "/.well-known/core", "coap://[::1]/3", "/3gpp/1",
        ]).prop_map(str::to_owned),
        1 => select(vec!["/03", "/3/65535", "/65536", "/3/0/", "/3//0", "/3/x", "/1/2/3/4/5"])
            .prop_map(str::to_owned),
        1 => "[!-~ é<>\"]{0,4}",
    ];
    let name = prop_oneof![
        10 => select(vec!["rt", "ct", "ver", "title", "x", "if"]).prop_map(str::to_owned),
        1 => "[a-z!#$&*+.^_`|~=;\" -]{0,3}",
    ];
    let value = prop_oneof![
        10 => select(vec![
            "", "=oma.lwm2m", "=\"oma.lwm2m\"", "=\"core.rd oma.lwm2m\"", "=\"oma\\.lwm2m\"", "=40",
            "=\"0 11543\"", "=0 11543", "=60  110 ", "=60 x", "=\"\t\"", "=\"\\\u{1}\"", "=2.2", "=\"2.2\"", "=\"a,b;c<>\\\"\\\\\"", "=1.0",
        ]).prop_map(str::to_owned),
        1 => "=?[!-~ é\"\\\\]{0,4}",
        1 => "=\"([a-z,;<> ]|\\\\[\"\\\\é]|é){0,4}\"?",
    ];
    let attribute = (blank(), blank(), name, value)
        .prop_map(|(before, after, name, value)| format!("{before};{after}{name}{value}"));
    let attributes = prop_oneof![2 => Just(vec![]), 1 => vec(attribute, 0..3)];
    let link = (target, attributes, blank()).prop_map(|(target, attributes, blank)| {
        format!("<{target}>{}{blank}", attributes.concat())
    });
    let separator =
        prop_oneof![30 => blank().prop_map(|blank| format!(",{blank}")), 1 => "[,; ]{0,2}"];
    let links = vec((link, separator), 0..6).prop_map(|links| {
        let mut document = String::new();
        let last = links.len().saturating_sub(1);
        for (index, (link, separator)) in links.into_iter().enumerate() {
            document += &link;
            document += if index < last { &separator } else { "" };
        }
        document
    });
    let damage = prop_oneof![8 => Just(None), 1 => (any::<prop::sample::Index>(), any::<char>()).prop_map(Some)];
    (blank(), links, damage).prop_map(|(blank, links, damage)| {
        let mut document = format!("{blank}{links}");
        if let Some((index, char)) = damage {
            let places: Vec<_> = document.char_indices().map(|(place, _)| place).collect();
            if !places.is_empty() {
                document.insert(*index.get(&places), char);
            }
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Both read the same documents as the same links, and refuse the same.
    #[test]
    fn the_reader_reads_what_the_grammar_says(document in document()) {
        prop_assert_eq!(read(&document), model(&document), "{:?}", document);
    }

    #[test]
    fn the_registration_list_says_what_its_links_say(document in document()) {
        prop_assert_eq!(read_registration(&document), registration_model(&document), "{:?}", document);
    }
}
