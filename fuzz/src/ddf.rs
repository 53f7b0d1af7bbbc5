use lwm2m_objects::ddf;

/// An object definition file: what is read can be used, and survives writing and reading again.
/// Every fault has a place, in the order of the file. A file without a fault keeps all rules.
pub fn ddf(data: &[u8]) {
    let report = ddf::read_all(data);
    for definition in &report.objects {
        assert_eq!(definition.check(), Ok(()));
        if report.faults.is_empty() {
            assert_eq!(definition.validate(), Ok(()));
        }
    }
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
    for error in &report.faults {
        assert!((1..=lines).contains(&(error.line as usize)), "{error}");
        assert!(
            (1..=data.len() + 1).contains(&(error.column as usize)),
            "{error}"
        );
    }
    let place = |error: &ddf::DdfError| (error.line, error.column);
    assert!(report.faults.is_sorted_by_key(place));
    assert_eq!(ddf::read(data), report.clone().complete());
    if !report.objects.is_empty() {
        let text = ddf::write(&report.objects).expect("what is read is written");
        let again = ddf::read(text.as_bytes());
        assert_eq!(again.as_deref(), Ok(&*report.objects));
    }
}
