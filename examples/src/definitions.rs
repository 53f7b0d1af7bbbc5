//! Finds object definition files and adds their Objects to a registry.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

use lwm2m_core::{ObjectId, Version};
use lwm2m_objects::{
    ObjectDefinition, Registry,
    ddf::{self, DdfError, Limits, Severity},
};

use crate::exit;

/// Adds the Objects of these files and folders to a registry. Of a folder, all files below it whose
/// names end in `.xml` are read, in the order of their names.
///
/// Each fault of a file is reported in one line, and what can be used of the file is added all the
/// same. Of two definitions of one version of an Object the later one counts.
///
/// # Errors
///
/// If a path doesn't name a readable file or folder, or if reporting fails. An unreadable file in a
/// folder is reported and skipped.
pub fn load(paths: &[PathBuf], registry: &mut Registry, tell: &mut dyn Write) -> io::Result<()> {
    let mut loader = Loader {
        registry,
        tell,
        added: 0,
        origins: HashMap::new(),
    };
    for path in paths {
        let metadata = fs::metadata(path).map_err(exit::about(path.display()))?;
        if metadata.is_dir() {
            let before = loader.added;
            loader.folder(path)?;
            if loader.added == before {
                let path = path.display();
                writeln!(loader.tell, "warning: {path}: no definition was found here")?;
            }
        } else {
            let bytes = read(path).map_err(exit::about(path.display()))?;
            loader.file(path, &bytes)?;
        }
    }
    Ok(())
}

struct Loader<'a> {
    registry: &'a mut Registry,
    tell: &'a mut dyn Write,
    /// How many definitions were added.
    added: usize,
    /// Where each definition is from.
    origins: HashMap<(ObjectId, Version), PathBuf>,
}

impl Loader<'_> {
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut paths = match entries(folder) {
            Ok(paths) => paths,
            Err(error) => return self.leave_out(folder, &error),
        };
        paths.sort();
        for path in paths {
            // Links to folders aren't followed: they might lead back here.
            if path.is_dir() && !path.is_symlink() {
                self.folder(&path)?;
            } else if path.is_file() && is_xml(&path) {
                match read(&path) {
                    Ok(bytes) => self.file(&path, &bytes)?,
                    Err(error) => self.leave_out(&path, &error)?,
                }
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) -> io::Result<()> {
        let path = path.display();
        writeln!(self.tell, "warning: {path}: {error}: it is left out")
    }

    fn file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let report = ddf::read_all(bytes);
        for fault in &report.faults {
            self.warn(path, fault)?;
        }
        for definition in report.objects {
            self.add(path, definition)?;
        }
        Ok(())
    }

    fn warn(&mut self, path: &Path, fault: &DdfError) -> io::Result<()> {
        write!(self.tell, "warning: {}:{fault}", path.display())?;
        match (fault.severity, fault.object) {
            (Severity::Warning, _) => writeln!(self.tell),
            (Severity::Object, Some(object)) => {
                writeln!(self.tell, ": Object {object} is left out")
            }
            (Severity::Object, None) => writeln!(self.tell, ": this Object is left out"),
            (Severity::File, _) => writeln!(self.tell, ": the file is left out"),
        }
    }

    fn add(&mut self, path: &Path, definition: ObjectDefinition) -> io::Result<()> {
        let (id, version) = (definition.id, definition.version);
        let other = |known: &ObjectDefinition| known.version == version && *known != definition;
        let differs = self.registry.versions(id).any(other);
        if let Err(error) = self.registry.add(definition) {
            return writeln!(self.tell, "warning: {}: {error}", path.display());
        }
        self.added += 1;
        let earlier = self.origins.insert((id, version), path.to_owned());
        match earlier {
            // Replacing a built-in definition isn't reported.
            Some(earlier) if differs => writeln!(
                self.tell,
                "warning: {}: Object {id} in version {version} takes the place of another one in {}",
                path.display(),
                earlier.display()
            ),
            _ => Ok(()),
        }
    }
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn is_xml(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xml"))
}

/// The content of a file, cut off where it is too large to be read as a definition.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(Limits::default().bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    /// A folder that is removed when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("lwm2m-definitions-{name}-{}", process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        /// Loads these paths and returns the report, with paths relative to the folder.
        fn load(&self, paths: &[PathBuf], registry: &mut Registry) -> Vec<String> {
            let mut told = Vec::new();
            load(paths, registry, &mut told).unwrap();
            let here = format!("{}/", self.0.display());
            let told = String::from_utf8(told).unwrap().replace(&here, "");
            told.lines().map(str::to_owned).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn object(id: u16, name: &str) -> String {
        format!("<LWM2M><Object><Name>{name}</Name><ObjectID>{id}</ObjectID></Object></LWM2M>")
    }

    fn name(registry: &Registry, id: u16) -> Option<&str> {
        registry.object(id.into()).map(|object| &*object.name)
    }

    #[test]
    fn files_and_folders_are_read_in_the_order_of_their_names() {
        let folder = Folder::new("order");
        folder.file("tree/b.xml", &object(30000, "later"));
        folder.file("tree/a/deep/c.XML", &object(30000, "earlier"));
        folder.file("tree/a/deep/c.txt", "no definition");
        folder.file("tree/d.xml", &object(30001, "other"));
        let single = folder.file("single", &object(30002, "single"));
        let mut registry = Registry::default();
        let told = folder.load(&[folder.0.join("tree"), single], &mut registry);
        assert_eq!(
            told,
            [
                "warning: tree/b.xml: Object 30000 in version 1.0 takes the place of another one \
                 in tree/a/deep/c.XML"
            ]
        );
        assert_eq!(name(&registry, 30000), Some("later"));
        assert_eq!(name(&registry, 30001), Some("other"));
        assert_eq!(name(&registry, 30002), Some("single"));
    }

    /// A file that is read twice, or that redefines a built-in Object, isn't reported.
    #[test]
    fn the_same_definition_may_be_there_twice() {
        let folder = Folder::new("twice");
        let device = folder.file("device.xml", &object(3, "My device"));
        folder.file("a.xml", &object(30000, "same"));
        folder.file("b.xml", &object(30000, "same"));
        let mut registry = Registry::default();
        let told = folder.load(&[folder.0.clone(), device], &mut registry);
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(name(&registry, 3), Some("My device"));
    }

    #[test]
    fn what_is_wrong_is_told_and_what_can_be_used_is_added() {
        let folder = Folder::new("wrong");
        folder.file(
            "mixed.xml",
            "<LWM2M>\n<Object><ObjectID>30000</ObjectID><Mandatory>yes</Mandatory></Object>\n\
             <Object/>\n<Object><ObjectID>30001</ObjectID><Resources>\n\
             <Item ID='0'><Operations>R</Operations></Item></Resources></Object></LWM2M>",
        );
        folder.file("no.xml", "definition");
        let large = " ".repeat(Limits::default().bytes + 5);
        folder.file("z/large.xml", &large);
        let mut registry = Registry::default();
        let told = folder.load(core::slice::from_ref(&folder.0), &mut registry);
        let beginnings = [
            "warning: mixed.xml:2:46: expected Mandatory or Optional in Mandatory, found \"yes\": \
             Object 30000 is left out",
            "warning: mixed.xml:3:1: expected ObjectID in this element, found none: this Object \
             is left out",
            "warning: mixed.xml:5:1: definition of /30001, Resource 0: expected a data type, as \
             the Resource is not executable, found none",
            "warning: no.xml:1:1: expected ",
            "warning: z/large.xml:1:1: expected at most 1048576 bytes, found ",
        ];
        assert_eq!(told.len(), beginnings.len(), "{told:#?}");
        for (line, beginning) in told.iter().zip(beginnings) {
            assert!(line.starts_with(beginning), "{line}");
        }
        assert!(told[3].ends_with(": the file is left out"));
        assert!(registry.object(30000.into()).is_none());
        assert!(registry.object(30001.into()).is_some());
    }

    #[test]
    fn a_path_to_nothing_is_an_error_and_a_folder_without_definitions_is_told() {
        let folder = Folder::new("nothing");
        folder.file("empty/readme.txt", "nothing");
        let mut registry = Registry::default();
        let told = folder.load(&[folder.0.join("empty")], &mut registry);
        assert_eq!(told, ["warning: empty: no definition was found here"]);
        let nowhere = folder.0.join("nowhere");
        let error = load(
            core::slice::from_ref(&nowhere),
            &mut registry,
            &mut Vec::new(),
        )
        .unwrap_err();
        let named = error.to_string();
        assert!(named.starts_with(&nowhere.display().to_string()), "{named}");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_are_not_followed() {
        let folder = Folder::new("links");
        let elsewhere = Folder::new("elsewhere");
        let target = elsewhere.file("target.xml", &object(30000, "linked"));
        std::os::unix::fs::symlink(&folder.0, folder.0.join("loop")).unwrap();
        std::os::unix::fs::symlink(target, folder.0.join("link.xml")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.0.join("broken.xml")).unwrap();
        let mut registry = Registry::default();
        assert_eq!(
            folder.load(core::slice::from_ref(&folder.0), &mut registry),
            Vec::<String>::new()
        );
        assert_eq!(name(&registry, 30000), Some("linked"));
    }
}
