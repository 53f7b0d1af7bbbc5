//! Faults that cost nothing: the Object stays, and a warning says where, what was expected and what
//! was found. And faults that cost one Object, but not the others.

use core::fmt::Write as _;

use lwm2m_core::{DataType, ObjectId, Version, codec::TypeLookup};
use lwm2m_objects::{
    DefinitionFault, Multiplicity, Operations, Registry, ResourceDefinition, Store, UrnClass,
    ddf::{self, DdfFault, Report, Severity},
};

use super::{item, object};

/// The only Object of a file, which has these faults, none of which costs anything.
fn tolerated(file: &str, faults: &[&str]) -> lwm2m_objects::ObjectDefinition {
    let report = ddf::read_all(file.as_bytes());
    assert_eq!(told(&report), faults, "{file}");
    assert_eq!(report.errors().count(), 0);
    assert_eq!(report.warnings().count(), faults.len());
    let object = report.objects[0].id;
    assert!(
        report
            .faults
            .iter()
            .all(|fault| fault.object == Some(object))
    );
    // A plain read goes on; an author has warnings taken as errors.
    assert_eq!(ddf::read(file.as_bytes()).as_ref(), Ok(&report.objects));
    assert_eq!(report.clone().complete().as_ref(), Ok(&report.objects));
    assert_eq!(report.clone().strict().unwrap_err(), report.faults[0]);
    assert_eq!(report.objects.len(), 1);
    let definition = report.objects[0].clone();
    assert_eq!(definition.check(), Ok(()));
    assert_eq!(Registry::default().add(definition.clone()), Ok(()));
    definition
}

fn told(report: &Report) -> Vec<String> {
    report.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn an_executable_resource_with_a_type_stays_without_it() {
    let file = item("<Operations>E</Operations>\n<Type>Integer</Type>");
    let definition = tolerated(
        &file,
        &[
            "5:7: definition of /30000, Resource 5: expected no data type, as the Resource is \
             executable, found Integer",
        ],
    );
    assert_eq!(
        *definition.resources,
        [ResourceDefinition::executable(5, "")]
    );
    assert_eq!(definition.validate(), Ok(()));
    // Also with a type that nobody knows.
    let unknown = tolerated(
        &file.replace("Integer", "Text"),
        &[&format!("5:7: {UNKNOWN_TYPE}")],
    );
    assert_eq!(unknown, definition);
}

#[test]
fn an_executable_resource_that_is_multiple_stays_as_a_single_one() {
    let definition = tolerated(
        &item("<Operations>E</Operations>\n<MultipleInstances>Multiple</MultipleInstances>"),
        &[
            "5:20: definition of /30000, Resource 5: expected Single, as the Resource is \
             executable, found Multiple",
        ],
    );
    assert_eq!(definition.resources[0].instances, Multiplicity::Single);
    assert_eq!(definition.validate(), Ok(()));
    let unknown = tolerated(
        &item("<Operations>E</Operations>\n<MultipleInstances>no</MultipleInstances>"),
        &["5:20: expected Single in MultipleInstances, found \"no\""],
    );
    assert_eq!(unknown, definition);
    for single in ["", "single"] {
        let file = item(&format!(
            "<Operations>E</Operations><MultipleInstances>{single}</MultipleInstances>"
        ));
        let read = ddf::read_all(file.as_bytes()).strict();
        assert_eq!(read.as_deref(), Ok(core::slice::from_ref(&definition)));
    }
}

const NO_TYPE: &str = "definition of /30000, Resource 5: expected a data type, as the Resource is \
                       not executable, found none";
const UNKNOWN_TYPE: &str = "expected String, Integer, Unsigned Integer, Float, Boolean, Opaque, \
                            Time, Objlnk, Corelnk or none in Type, found \"Text\"";

#[test]
fn a_resource_without_a_type_is_raw() {
    for operations in ["R", "W", "RW", ""] {
        let operations = format!("<Operations>{operations}</Operations>");
        // The Resource, its empty element, or the text in it.
        let in_item = 14 + operations.len();
        for (elements, column, fault) in [
            ("", 1, NO_TYPE),
            ("<Type/>", in_item, NO_TYPE),
            ("<Type>Text</Type>", in_item + "<Type>".len(), UNKNOWN_TYPE),
        ] {
            let file = item(&format!("{operations}{elements}"));
            let fault = format!("4:{column}: {fault}");
            let definition = tolerated(&file, &[&fault]);
            assert_eq!(definition.resources[0].data_type, None);
            let error = definition.validate().unwrap_err();
            assert_eq!(error.fault, DefinitionFault::NoType);
            let mut registry = Registry::default();
            registry.add(definition.clone()).unwrap();
            assert_eq!(registry.data_type(30000.into(), 5.into()), None);
            assert!(registry.resource(30000.into(), 5.into()).is_some());
            // Who serves an Object has to say what its values are.
            assert_eq!(Store::from_definition(definition).unwrap_err(), error);
        }
    }
}

#[test]
fn a_urn_of_another_class_than_the_range_of_the_identifier_stays() {
    for (id, class, other) in [(5000, "oma", "ext"), (33629, "oma", "x"), (3, "x", "oma")] {
        let file = object(&format!(
            "<ObjectURN>urn:oma:lwm2m:{class}:{id}:1.0</ObjectURN>"
        ))
        .replace("30000", &id.to_string());
        let definition = tolerated(
            &file,
            &[&format!(
                "3:12: definition of /{id}: expected the class {other} in the URN, found {class}"
            )],
        );
        assert_eq!(definition.urn, format!("urn:oma:lwm2m:{class}:{id}:1.0"));
        assert!(Store::from_definition(definition.clone()).is_ok());
        let error = definition.validate().unwrap_err();
        let expected = UrnClass::of(id.into());
        assert!(
            matches!(error.fault, DefinitionFault::UrnClass { expected: told, .. } if told == expected)
        );
    }
    // What is reserved is in no class at all.
    let file = object("").replace("30000", "1500");
    let reserved = tolerated(
        &file,
        &["2:1: definition of /1500: expected an Object ID that is not reserved, found one of oma"],
    );
    assert_eq!(reserved.urn, "urn:oma:lwm2m:oma:1500");
}

/// A class of the wrong range hides no other fault of the URN.
#[test]
fn a_urn_of_another_class_and_version_is_both() {
    let file = object(
        "<ObjectURN>urn:oma:lwm2m:oma:30000:2.0</ObjectURN><ObjectVersion>2.1</ObjectVersion>",
    );
    let report = ddf::read_all(file.as_bytes());
    assert_eq!(report.objects, []);
    let costs: Vec<_> = report.faults.iter().map(|fault| fault.severity).collect();
    assert_eq!(costs, [Severity::Warning, Severity::Object]);
    let error = ddf::read(file.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "3:12: definition of /30000: expected version 2.1 in the URN, found 2.0"
    );
}

#[test]
fn of_what_only_describes_the_first_counts() {
    let definition = tolerated(
        &object(
            "<Name>One</Name>\n<Name>Two</Name>\n<LWM2MVersion>one</LWM2MVersion>\
             <LwM2MVersion>1.1</LwM2MVersion>",
        ),
        &[
            "4:1: expected the element Name once, found it again",
            "5:15: expected a version such as 1.0 in LWM2MVersion, found \"one\"",
            "5:33: expected the element LWM2MVersion once, found it again",
        ],
    );
    assert_eq!(definition.name, "One");
    assert_eq!(definition.enabler, Version::INITIAL);
    let definition = tolerated(
        &item(
            "<Type>Time</Type><Units>s</Units><Units>h</Units>\n\
             <Description>One</Description><Description>Two</Description>",
        ),
        &[
            "4:47: expected the element Units once, found it again",
            "5:31: expected the element Description once, found it again",
        ],
    );
    assert_eq!(definition.resources[0].units, "s");
    assert_eq!(definition.resources[0].description, "One");
}

#[test]
fn arguments_that_cannot_be_are_left_out() {
    let definition = tolerated(
        &object(
            "<Resources><Item ID='1'><Operations>E</Operations></Item>\
             <Item ID='2'><Type>Time</Type></Item></Resources>\n\
             <?lwm2m-argument resource=\"1\" digit=\"0\" name=\"One\"?>\n\
             <?lwm2m-argument resource=\"1\" digit=\"0\" name=\"Two\"?>\n\
             <?lwm2m-argument resource=\"2\" digit=\"0\"?>\n\
             <?lwm2m-argument resource=\"3\" digit=\"0\"?>\n\
             <?lwm2m-argument resource=\"1\" digit=\"x\"?>",
        ),
        &[
            "5:1: definition of /30000, Resource 1: expected arguments in ascending order, found \
             that of digit 0 out of place",
            "6:1: definition of /30000, Resource 2: expected arguments of executable Resources \
             only, found one of another",
            "7:1: definition of /30000, Resource 3: expected arguments of executable Resources \
             only, found one of another",
            "8:1: expected resource=\"7\" digit=\"1\", then name, type, range, units and \
             description in lwm2m-argument, found \"resource=\\\"1\\\" digit=\\\"x\\\"\"",
        ],
    );
    let names: Vec<_> = definition.arguments.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["One"]);
    assert_eq!(definition.validate(), Ok(()));
}

/// All faults of a file are told at once, in its order, and each Object without an error is there.
#[test]
fn one_bad_object_does_not_cost_the_others() {
    let file = "<LWM2M>
<Object><ObjectID>30001</ObjectID></Object>
<Object><ObjectID>30002</ObjectID><Mandatory>yes</Mandatory><Resources>
<Item ID='0'><Operations>R</Operations></Item>
<Item ID='1'><Operations>X</Operations><Type>Text</Type></Item>
<Item><Operations>E</Operations><Type>Time</Type></Item>
<Item ID='0'><Operations>E</Operations></Item>
</Resources></Object>
<Object><Resources><Item ID='x'/></Resources></Object>
<Object><ObjectID>30003</ObjectID><Resources>
<Item ID='0'><Operations>R</Operations></Item></Resources></Object>
<Object><ObjectID>30004</ObjectID></Object></LWM2M>";
    let report = ddf::read_all(file.as_bytes());
    let ids: Vec<u16> = report
        .objects
        .iter()
        .map(|object| object.id.get())
        .collect();
    assert_eq!(ids, [30001, 30003, 30004]);
    let faults: Vec<_> = report
        .faults
        .iter()
        .map(|error| {
            let object = error.object.map(ObjectId::get);
            (error.line, error.column, error.severity, object)
        })
        .collect();
    let (warning, cost) = (Severity::Warning, Severity::Object);
    assert_eq!(
        faults,
        [
            (3, 46, cost, Some(30002)),
            (4, 1, warning, Some(30002)),
            (5, 26, cost, Some(30002)),
            (5, 46, warning, Some(30002)),
            (6, 1, cost, Some(30002)),
            (6, 39, warning, Some(30002)),
            (7, 1, cost, Some(30002)),
            (9, 1, cost, None),
            (9, 20, cost, None),
            (11, 1, warning, Some(30003)),
        ]
    );
    assert_eq!(report.errors().count() + report.warnings().count(), 10);
    let first = report.errors().next().cloned().unwrap();
    assert_eq!(report.clone().complete(), Err(first.clone()));
    assert_eq!(ddf::read(file.as_bytes()), Err(first));
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault() {
    let report = ddf::read_all(b"<LWM2M>");
    assert_eq!(report.objects, []);
    assert_eq!(report.faults.len(), 1);
    assert_eq!(report.faults[0].severity, Severity::File);
    assert_eq!(report.faults[0].object, None);
}

/// What was read with warnings is written, and that reads the same.
#[test]
fn what_is_tolerated_is_written_and_serialised() {
    let file = object(
        "<ObjectURN>urn:oma:lwm2m:oma:30000</ObjectURN><Resources>\
         <Item ID='0'><Operations>R</Operations><RangeEnumeration>0..7</RangeEnumeration></Item>\
         <Item ID='1'><Operations>E</Operations><Type>Time</Type></Item></Resources>",
    );
    let objects = ddf::read(file.as_bytes()).unwrap();
    let written = ddf::write(&objects).unwrap();
    let report = ddf::read_all(written.as_bytes());
    assert_eq!(report.objects, objects);
    let rules: Vec<_> = report
        .faults
        .iter()
        .map(|error| match &error.fault {
            DdfFault::Definition(error) => error.fault,
            fault => panic!("{fault}"),
        })
        .collect();
    let urn = DefinitionFault::UrnClass {
        expected: Some(UrnClass::X),
        found: UrnClass::Oma,
    };
    assert_eq!(rules, [urn, DefinitionFault::NoType]);
    #[cfg(feature = "serde")]
    {
        let text = serde_json::to_string(&objects[0]).unwrap();
        let read: lwm2m_objects::ObjectDefinition = serde_json::from_str(&text).unwrap();
        assert_eq!(read, objects[0]);
    }
}

#[test]
fn as_many_faults_as_a_file_can_have_are_told() {
    let mut items = String::new();
    for id in 0..8000 {
        write!(items, "<Item ID='{id}'><Type>Text</Type></Item>").unwrap();
    }
    let report = ddf::read_all(object(&format!("<Resources>{items}</Resources>")).as_bytes());
    assert_eq!(report.objects[0].resources.len(), 8000);
    assert_eq!(report.warnings().count(), 8000);
    let columns = report.faults.windows(2);
    assert!(
        columns
            .into_iter()
            .all(|pair| pair[0].column < pair[1].column)
    );
    let last = report.faults.last().unwrap();
    let text = "<Item ID='7999'><Type>".len();
    let end = "<Resources>".len() + items.len() + 1;
    let from_end = "<Item ID='7999'><Type>Text</Type></Item>".len() - text;
    assert_eq!((last.line, last.column as usize), (3, end - from_end));
}

/// A Resource of each kind, and what its values are read as.
#[test]
fn a_server_reads_the_good_and_the_raw_resources_of_one_object() {
    let file = object(
        "<Resources><Item ID='0'><Operations>R</Operations><Type>Integer</Type></Item>\
         <Item ID='1'><Operations>R</Operations></Item></Resources>",
    );
    let mut registry = Registry::empty();
    for definition in ddf::read_all(file.as_bytes()).objects {
        registry.add(definition).unwrap();
    }
    let types = [0, 1].map(|id: u16| registry.data_type(30000.into(), id.into()));
    assert_eq!(types, [Some(DataType::Integer), None]);
    let resource = registry.resource(30000.into(), 1.into()).unwrap();
    assert_eq!(resource.operations, Operations::Read);
}
