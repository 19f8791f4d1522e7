//! x
use cabinwatch_tests::browser::*;
#[test]
fn try_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let b = Browser::start(folder.path());
    b.open(&std::env::var("TRY_URL").unwrap());
    println!("{} {}", b.address(), b.text());
    println!("{:?} {:?} {}", b.complaints(), b.loaded(), b.value("matchMedia('(prefers-color-scheme: dark)').matches"));
    b.prefer(Scheme::Dark);
    b.resize(Size::PHONE);
    println!("{} {}", b.value("innerWidth"), b.value("matchMedia('(prefers-color-scheme: dark)').matches"));
    b.picture(std::path::Path::new("/tmp/proof/x.png"));
    b.tab_to("a");
    println!("{}", b.value("document.activeElement.outerHTML"));
}
