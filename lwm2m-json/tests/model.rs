//! The decoder against a plain model of TS 6.4.4. Documents are generated as trees, valid or nearly
//! valid; the model checks the tree by Table 22, and the decoder reads its text.

use core::{fmt::Write, mem};

use lwm2m_core::{
    DataType, InstanceId, ObjectId, ObjectLink, Path, ResourceId, Timestamp, Value,
    codec::{Content, EncodeError, Entry, Event, Purpose, Scope, Sink},
};
use lwm2m_json::decode;
use proptest::{collection::vec, prelude::*, sample::select};

/// A JSON text as a tree: members in their order, none of them merged, and numbers as written.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Boolean(bool),
    Number(&'static str),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Numbers, and which integer each of them is: exact as a token of
/// digits, and up to 2^53 in any other notation.
const NUMBERS: &[(&str, Option<i64>)] = &[
    ("0", Some(0)),
    ("-0", Some(0)),
    ("1", Some(1)),
    ("-5", Some(-5)),
    ("15.0", Some(15)),
    ("1.367491215E9", Some(1_367_491_215)),
    ("25462634", Some(25_462_634)),
    ("22.4", None),
    ("-0.5", None),
    ("1e3", Some(1000)),
    ("1E+3", Some(1000)),
    ("1200e-2", Some(12)),
    ("1201e-2", None),
    ("-0.0", Some(0)),
    ("9223372036854775807", Some(i64::MAX)),
    ("-9223372036854775808", Some(i64::MIN)),
    ("9223372036854775808", None),
    ("-9223372036854775809", None),
    ("9007199254740993", Some(9_007_199_254_740_993)),
    ("9007199254740992.0", Some(9_007_199_254_740_992)),
    ("9007199254740993.0", None),
    ("1.7e308", None),
    ("-1.7e308", None),
    ("1e400", None),
    ("-1e400", None),
    ("1e-400", None),
    ("0e400", Some(0)),
];

/// The type depends on the last digit of the Resource; 7 to 9 have none.
fn types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match resource.get() % 10 {
        0 => DataType::String,
        1 => DataType::Integer,
        2 => DataType::Float,
        3 => DataType::Boolean,
        4 => DataType::Opaque,
        5 => DataType::Time,
        6 => DataType::ObjectLink,
        _ => return None,
    })
}

/// The members of this name.
fn members<'j>(members: &'j [(String, Json)], name: &str) -> Vec<&'j Json> {
    let named = members.iter().filter(|(other, _)| other == name);
    named.map(|(_, value)| value).collect()
}

/// The one member of this name, if there is one; an error if there are two.
fn member<'j>(all: &'j [(String, Json)], name: &str) -> Result<Option<&'j Json>, ()> {
    match members(all, name)[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(()),
    }
}

fn text(json: Option<&Json>) -> Result<&str, ()> {
    match json {
        None => Ok(""),
        Some(Json::String(text)) => Ok(text),
        Some(_) => Err(()),
    }
}

/// A number of seconds; a missing one is zero.
fn seconds(json: Option<&Json>) -> Result<f64, ()> {
    match json {
        None => Ok(0.0),
        Some(Json::Number(raw)) => Ok(raw.parse().unwrap()),
        Some(_) => Err(()),
    }
}

fn value(entry: &[(String, Json)], data_type: Option<DataType>) -> Result<Value, ()> {
    let mut fields = Vec::new();
    for name in ["v", "bv", "ov", "sv"] {
        fields.extend(members(entry, name).into_iter().map(|json| (name, json)));
    }
    let [(name, json)] = fields[..] else {
        return Err(());
    };
    let number = |raw: &str| {
        let number: f64 = raw.parse().unwrap();
        number.is_finite().then_some(number).ok_or(())
    };
    let integer = |raw: &str| {
        let (_, integer) = NUMBERS.iter().find(|(number, _)| *number == raw).unwrap();
        integer.ok_or(())
    };
    let link = |text: &str| {
        let (object, instance) = text.split_once(':').ok_or(())?;
        if text == "FFFF:FFFF" {
            return Ok(ObjectLink::NULL);
        }
        Ok(ObjectLink {
            object: object.parse().map_err(|_| ())?,
            instance: instance.parse().map_err(|_| ())?,
        })
    };
    Ok(match (name, json, data_type) {
        ("v", Json::Number(raw), Some(DataType::Integer)) => Value::Integer(integer(raw)?),
        ("v", Json::Number(raw), Some(DataType::Time)) => Value::Time(integer(raw)?),
        ("v", Json::Number(raw), Some(DataType::Float)) => Value::Float(number(raw)?),
        ("v", Json::Number(raw), None) => match raw.parse() {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Float(number(raw)?),
        },
        ("bv", Json::Boolean(truth), Some(DataType::Boolean) | None) => Value::Boolean(*truth),
        ("ov", Json::String(text), Some(DataType::ObjectLink) | None) => {
            Value::ObjectLink(link(text)?)
        }
        ("sv", Json::String(text), Some(DataType::String) | None) => Value::String(text.clone()),
        ("sv", Json::String(text), Some(DataType::Opaque)) => Value::Opaque(match &text[..] {
            "" => vec![],
            "AQID" => vec![1, 2, 3],
            "AQIDBAU=" => vec![1, 2, 3, 4, 5],
            "+/8=" => vec![0xFB, 0xFF],
            _ => return Err(()),
        }),
        _ => return Err(()),
    })
}

/// The path of Base Name and Name.
fn path(base_name: &str, entry: &Json) -> Result<Path, ()> {
    let Json::Object(entry) = entry else {
        return Err(());
    };
    let name = format!("{base_name}{}", text(member(entry, "n")?)?);
    name.parse().map_err(|_| ())
}

/// Whether the names of a Create leave out the Object Instance: at least one has two levels.
fn is_unnamed(document: &Json) -> Result<bool, ()> {
    let Json::Object(document) = document else {
        return Err(());
    };
    let base_name = text(member(document, "bn")?)?;
    let Some(Json::Array(array)) = member(document, "e")? else {
        return Err(());
    };
    let paths: Result<Vec<_>, ()> = array.iter().map(|entry| path(base_name, entry)).collect();
    Ok(paths?.iter().any(|path| path.depth() == 2))
}

/// TS 6.4.4, Table 22, and the limits of a request. Names without Object Instance are in Instance 0.
fn model(document: &Json, base: Path, purpose: Purpose, unnamed: bool) -> Result<Vec<Entry>, ()> {
    let Json::Object(document) = document else {
        return Err(());
    };
    let base_name = text(member(document, "bn")?)?;
    let base_time = member(document, "bt")?;
    let Some(Json::Array(array)) = member(document, "e")? else {
        return Err(());
    };
    if !seconds(base_time)?.is_finite()
        || array.is_empty() && (purpose == Purpose::Write || base.depth() == 4)
    {
        return Err(());
    }
    if array.is_empty() {
        // The Base Name is the path of the scope or contains it.
        let place = base_name.strip_suffix('/').unwrap_or(base_name);
        let of_base = |place: &str| place.parse::<Path>().is_ok_and(|path| path.contains(&base));
        if !matches!(base_name, "" | "/") && (place == "/" || !of_base(place)) {
            return Err(());
        }
    }
    let mut entries = Vec::new();
    for entry in array {
        let mut path = path(base_name, entry)?;
        let Json::Object(entry) = entry else {
            return Err(());
        };
        if unnamed {
            let mut ids: Vec<_> = path.segments().collect();
            if ids.len() < 2 {
                return Err(());
            }
            ids.insert(1, 0);
            path = Path::of(&ids).ok_or(())?;
        }
        let outside = purpose == Purpose::Write && !base.contains(&path);
        let time = member(entry, "t")?;
        let sum = seconds(base_time)? + seconds(time)?;
        if outside || path.depth() < 3 || !sum.is_finite() {
            return Err(());
        }
        let said = base_time.is_some() || time.is_some();
        let time = match purpose {
            Purpose::Write if sum != 0.0 => return Err(()),
            Purpose::Answer if said && sum > 0.0 => Some(Timestamp::Absolute(sum)),
            Purpose::Answer if said => Some(Timestamp::Relative(sum)),
            _ => None,
        };
        let resource = path.resource().unwrap();
        entries.push(Entry {
            path,
            value: Some(value(entry, types(path.object().unwrap(), resource))?),
            time,
        });
    }
    if entries.is_empty() && base != Path::Root {
        entries.push(Entry {
            path: base,
            value: None,
            time: None,
        });
    }
    Ok(entries)
}

/// Writes the text of a tree. The seed decides where there are white space and escapes.
struct Writer {
    text: String,
    seed: u64,
}

impl Writer {
    fn write(&mut self, json: &Json) {
        self.blank();
        match json {
            Json::Null => self.text += "null",
            Json::Boolean(truth) => write!(self.text, "{truth}").unwrap(),
            Json::Number(raw) => self.text += raw,
            Json::String(text) => self.string(text),
            Json::Array(elements) => {
                let mut before = "[";
                for element in elements {
                    self.text += mem::replace(&mut before, ",");
                    self.write(element);
                }
                self.text += if elements.is_empty() { "[ ]" } else { "]" };
            }
            Json::Object(members) => {
                let mut before = "{";
                for (name, value) in members {
                    self.text += mem::replace(&mut before, ",");
                    self.blank();
                    self.string(name);
                    self.blank();
                    self.text += ":";
                    self.write(value);
                }
                self.text += if members.is_empty() { "{}" } else { "}" };
            }
        }
        self.blank();
    }

    fn string(&mut self, text: &str) {
        let escape_all = self.one_of(8) == 0;
        self.text += "\"";
        for char in text.chars() {
            match char {
                '"' | '\\' => self.text.extend(['\\', char]),
                '\0'..='\x1F' => write!(self.text, "\\u{:04X}", u32::from(char)).unwrap(),
                _ if escape_all => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        write!(self.text, "\\u{unit:04x}").unwrap();
                    }
                }
                _ => self.text.push(char),
            }
        }
        self.text += "\"";
    }

    fn blank(&mut self) {
        let blank = match self.one_of(8) {
            0 => " ",
            1 => "\r\n\t",
            _ => "",
        };
        self.text += blank;
    }

    fn one_of(&mut self, number: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.seed >> 33) % number
    }
}

fn number() -> BoxedStrategy<Json> {
    select(NUMBERS)
        .prop_map(|(raw, _)| Json::Number(raw))
        .boxed()
}

fn some_text(of: &[&'static str]) -> BoxedStrategy<Json> {
    select(of.to_vec())
        .prop_map(|text| Json::String(text.to_owned()))
        .boxed()
}

/// Any JSON, for unknown members, and sometimes for known ones.
fn anything() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Boolean),
        number(),
        "[a-z\\[\\]{}\"\\\\]{0,3}".prop_map(Json::String),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Json::Array),
            vec(("[benv]{0,2}", inner), 0..3).prop_map(Json::Object),
        ]
    })
}

/// A value field that this Resource should have, and sometimes another one.
fn field(resource: u16) -> impl Strategy<Value = (String, Json)> {
    let texts = [
        "",
        "AQID",
        "AQIDBAU=",
        "+/8=",
        "AQ",
        "é\u{1F600}\0\"\\/\n",
        "]}",
    ];
    let named = |name: &'static str, json: BoxedStrategy<Json>| {
        json.prop_map(move |json| (name.to_owned(), json)).boxed()
    };
    let right = match types(0.into(), resource.into()) {
        Some(DataType::Integer | DataType::Float | DataType::Time) | None => named("v", number()),
        Some(DataType::Boolean) => named("bv", any::<bool>().prop_map(Json::Boolean).boxed()),
        Some(DataType::String) => named("sv", some_text(&texts)),
        Some(DataType::Opaque) => named("sv", some_text(&texts[..4])),
        Some(DataType::ObjectLink) => named(
            "ov",
            some_text(&["66:0", "65535:65535", "FFFF:FFFF", "10:03"]),
        ),
        Some(other) => unreachable!("{other}"),
    };
    let wrong = prop_oneof![
        number(),
        some_text(&texts),
        some_text(&["66:0", "66", "65536:0"]),
        any::<bool>().prop_map(Json::Boolean),
        anything(),
    ];
    let wrong = (select(vec!["v", "bv", "sv", "ov"]), wrong);
    prop_oneof![20 => right, 1 => wrong.prop_map(|(name, json)| (name.to_owned(), json))]
}

/// No member, one or two.
fn maybe(
    name: &'static str,
    often: u32,
    json: BoxedStrategy<Json>,
) -> impl Strategy<Value = Vec<(String, Json)>> {
    let one = json.prop_map(move |json| (name.to_owned(), json)).boxed();
    prop_oneof![
        often => vec(one.clone(), 1),
        10 => Just(vec![]),
        1 => vec(one, 2),
    ]
}

/// Names: mostly Resources and Resource Instances of `/3/0`, and some that aren't paths.
const NAMES: &[(&str, u16)] = &[
    ("/3/0/0", 0),
    ("/3/0/1", 1),
    ("/3/0/2", 2),
    ("/3/0/3", 3),
    ("/3/0/4", 4),
    ("/3/0/5", 5),
    ("/3/0/6", 6),
    ("/3/0/7/1", 7),
    ("/3/0/7/1", 7),
    ("/3/0/7/65535", 7),
    ("/3/0/7", 7),
    ("/3/0/11/0", 1),
    ("/3/0/14", 4),
    ("/3/0/15", 5),
    ("/3/65534/2", 2),
    ("/4/0/0", 0),
];
/// The same for a Create, in which some of them leave out the Object Instance.
const NAMES_OF_CREATE: &[(&str, u16)] = &[
    ("/3/0", 0),
    ("/3/1", 1),
    ("/3/2", 2),
    ("/3/4", 4),
    ("/3/9", 9),
    ("/3/7/1", 7),
    ("/3/11/1", 1),
    ("/3/65534/65535", 4),
    ("/3/0/1/2", 1),
    ("/3/5/0", 0),
    ("/4/0", 0),
];
const WRONG_NAMES: &[&str] = &[
    "",
    "/",
    "x",
    "0",
    "01",
    "/0",
    "/3",
    "/3/0",
    "/3/0/",
    "3/0/1",
    "/3/0/65536",
    "/3/65535/1",
    "/3/0/7/1/1",
    "/3/0/+1",
    "//3/0/1",
    "/3/00/1",
];

/// The Name of a path, after the Base Name if the path begins with that.
fn name(base_name: &str, names: &[(&'static str, u16)]) -> BoxedStrategy<(&'static str, u16)> {
    let below =
        |(path, resource): &(&'static str, u16)| Some((path.strip_prefix(base_name)?, *resource));
    let right: Vec<_> = names.iter().filter_map(below).collect();
    let wrong = select(WRONG_NAMES).prop_map(|name| (name, 1));
    if right.is_empty() {
        return wrong.boxed();
    }
    prop_oneof![30 => select(right), 1 => wrong].boxed()
}

fn unknown() -> impl Strategy<Value = Vec<(String, Json)>> {
    prop_oneof![
        3 => Just(vec![]),
        1 => vec(("[a-z]{3}|[a-z]?", anything()), 1),
    ]
}

fn entry(base_name: &str, names: &[(&'static str, u16)]) -> impl Strategy<Value = Json> + use<> {
    let entry = name(base_name, names).prop_flat_map(|(name, resource)| {
        let often = if name.is_empty() { 10 } else { 400 };
        let names = Just(Json::String(name.to_owned())).boxed();
        let fields = prop_oneof![
            40 => vec(field(resource), 1),
            1 => vec(field(resource), 2),
            1 => Just(vec![]),
        ];
        let times = prop_oneof![1 => Just(vec![]), 1 => maybe("t", 10, number())];
        (maybe("n", often, names), times, fields, unknown())
    });
    let entry = entry
        .prop_map(|(n, t, fields, unknown)| [n, t, fields, unknown].concat())
        .prop_shuffle()
        .prop_map(Json::Object);
    prop_oneof![60 => entry, 1 => anything()]
}

fn document(names: &'static [(&'static str, u16)]) -> impl Strategy<Value = Json> {
    let base_names = &[
        "/", "/3/", "/3/0/", "/3/0", "/3/0/7", "/3/0/1", "/3/0/7/", "", "/4/0/", "x",
    ];
    let document = select(base_names).prop_flat_map(|base_name| {
        let entries = || vec(entry(base_name, names), 1..4).prop_map(Json::Array);
        let often = if base_name.is_empty() { 10 } else { 400 };
        let base_names = Just(Json::String(base_name.to_owned())).boxed();
        let array = |array: Vec<Json>| {
            array
                .into_iter()
                .map(|json| ("e".to_owned(), json))
                .collect()
        };
        let array = prop_oneof![
            60 => vec(entries(), 1),
            6 => Just(vec![Json::Array(vec![])]),
            1 => vec(entries(), 2),
            1 => vec(anything(), 0..2),
        ]
        .prop_map(array);
        let times = prop_oneof![3 => Just(vec![]), 1 => maybe("bt", 10, number())];
        (maybe("bn", often, base_names), times, array, unknown())
    });
    document
        .prop_map(|(bn, bt, array, unknown): (_, _, Vec<_>, _)| [bn, bt, array, unknown].concat())
        .prop_shuffle()
        .prop_map(Json::Object)
}

/// Treats the Object Instance of a Create as Instance 0, and keeps whether it had an identifier.
#[derive(Default)]
struct Created(Content, Option<InstanceId>);

impl Sink for Created {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        self.0.event(match event {
            Event::Instance(id) => {
                self.1 = id;
                Event::Instance(id.or(Some(InstanceId::ZERO)))
            }
            event => event,
        })
    }
}

fn written(document: &Json, seed: u64) -> String {
    let text = String::new();
    let mut writer = Writer { text, seed };
    writer.write(document);
    writer.text
}

/// Comparable: -0 is not 0.
fn told(entries: &[Entry]) -> String {
    format!("{entries:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Both read the same documents as the same values, and refuse the same.
    #[test]
    fn the_decoder_reads_what_the_specification_says(document in document(NAMES), seed in any::<u64>()) {
        let payload = written(&document, seed);
        for base in ["/", "/3", "/3/0", "/3/0/7", "/3/0/1", "/3/0/7/1"] {
            let base: Path = base.parse().unwrap();
            for scope in [Scope::write(base), Scope::answer(base)] {
                let purpose = scope.purpose();
                let mut content = Content::new();
                let outcome = decode(payload.as_bytes(), scope, &types, &mut content);
                let ours = outcome.map(|()| told(content.entries())).map_err(|_| ());
                let theirs = model(&document, base, purpose, false).map(|entries| told(&entries));
                prop_assert_eq!(ours, theirs, "{} {:?}: {}", base, purpose, payload);
            }
        }
    }

    #[test]
    fn a_create_says_what_its_names_say(document in document(NAMES_OF_CREATE), seed in any::<u64>()) {
        let payload = written(&document, seed);
        let object = ObjectId::new(3);
        let mut created = Created::default();
        let outcome = decode(payload.as_bytes(), Scope::create(object), &types, &mut created);
        let ours = outcome.map(|()| (told(created.0.entries()), created.1.is_none()));
        let theirs = is_unnamed(&document).and_then(|unnamed| {
            let entries = model(&document, Path::Object(object), Purpose::Write, unnamed)?;
            Ok((told(&entries), unnamed))
        });
        prop_assert_eq!(ours.map_err(|_| ()), theirs, "{}", payload);
    }
}
