use lwm2m_objects::ddf;

/// An object definition file: what is read is valid, is written, and that is read to the same.
/// What is refused is refused at a place.
pub fn ddf(data: &[u8]) {
    match ddf::read(data) {
        Ok(definitions) => {
            for definition in &definitions {
                assert_eq!(definition.validate(), Ok(()));
            }
            let text = ddf::write(&definitions).expect("what is read is written");
            let again = ddf::read(text.as_bytes());
            assert_eq!(again.as_deref(), Ok(&*definitions));
        }
        Err(error) => {
            let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=lines).contains(&(error.line as usize)), "{error}");
            assert!(
                (1..=data.len() + 1).contains(&(error.column as usize)),
                "{error}"
            );
        }
    }
}
