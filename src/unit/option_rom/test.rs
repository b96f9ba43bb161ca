use super::fixture::{Image, legacy, rom, uefi};
use super::{ImageKind, LARGEST_ROM, NoRom, OptionRom, RomVerdict};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};

/// The seed's GTX 970.
const CARD: Option<(u16, u16)> = Some((0x10de, 0x13c2));

fn parse(bytes: &[u8]) -> OptionRom {
    OptionRom::parse(bytes).unwrap()
}

fn verdict(bytes: &[u8]) -> String {
    RomVerdict::of(&parse(bytes), CARD).to_string()
}

#[test]
fn a_card_with_a_legacy_and_a_uefi_image_is_usable_with_ovmf() {
    let bytes = rom(&[legacy(), uefi()]);
    let found = parse(&bytes);
    assert_eq!(found.images.iter().map(|image| image.kind).collect::<Vec<_>>(), [ImageKind::Legacy, ImageKind::Uefi]);
    assert_eq!((found.header, found.trailing, found.flaws.len()), (0, 0, 0));
    assert_eq!(found.images[1].offset, 1024);
    assert_eq!(found.images[1].class, 0x03_0000);
    assert_eq!(verdict(&bytes), "has a UEFI image for 10de:13c2: usable with OVMF");
}

#[test]
fn a_card_from_before_2012_needs_seabios() {
    let bytes = rom(&[Image { last: true, ..legacy() }]);
    assert_eq!(verdict(&bytes), "has only a legacy image for 10de:13c2: needs SeaBIOS, or a romfile with a UEFI image");
}

#[test]
fn the_rom_of_another_card_is_told_by_its_ids() {
    let other = Image { device: 0x1b80, ..uefi() };
    assert_eq!(verdict(&rom(&[other])), "is for 10de:1b80, and the card is 10de:13c2");
}

#[test]
fn a_card_in_the_device_list_is_one_that_the_rom_is_for() {
    let listed = Image { device: 0x1b80, devices: vec![0x1b81, 0x13c2], ..uefi() };
    assert_eq!(verdict(&rom(&[listed])), "has a UEFI image for 10de:13c2: usable with OVMF");
}

#[test]
fn a_mac_or_arm_image_is_no_use() {
    let mac = Image { machine: 0x014c, ..uefi() };
    assert_eq!(verdict(&rom(&[mac])), "has a UEFI image for IA-32, which no PC can run");
    let arm = Image { machine: 0xaa64, ..uefi() };
    assert!(verdict(&rom(&[legacy(), arm])).contains("only a legacy image"));
}

#[test]
fn a_flash_tools_header_is_found_and_cut() {
    let whole = rom(&[legacy(), uefi()]);
    // The header holds the signature too, by chance: only with a PCI data structure does an image begin.
    let headed = [b"NVGI\x55\xaa".as_slice(), &[7; 1530], &whole].concat();
    let found = parse(&headed);
    assert_eq!(found.header, 1536);
    assert!(verdict(&headed).starts_with("begins with 1536 bytes that a flash tool has added"));
    assert_eq!(found.trimmed(&headed), whole);
    assert_eq!(verdict(found.trimmed(&headed)), "has a UEFI image for 10de:13c2: usable with OVMF");
}

#[test]
fn a_wrong_checksum_matters_to_a_bios_alone() {
    let spoil = |mut bytes: Vec<u8>| {
        bytes[600] ^= 1;
        bytes
    };
    let both = spoil(rom(&[legacy(), uefi()]));
    assert!(parse(&both).images[0].bad_checksum);
    assert_eq!(verdict(&both), "has a UEFI image for 10de:13c2: usable with OVMF");
    let only = spoil(rom(&[Image { last: true, ..legacy() }]));
    assert_eq!(verdict(&only), "is damaged: its only image has a wrong checksum, and no BIOS will run it");
}

#[test]
fn every_cut_through_a_rom_is_noticed() {
    let bytes = rom(&[legacy(), uefi()]);
    for length in 0x60..bytes.len() {
        let found = parse(&bytes[..length]);
        assert!(!found.flaws.is_empty(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn an_image_without_length_does_not_hold_the_reader_up() {
    let mut bytes = rom(&[legacy()]);
    bytes[0x50..0x52].fill(0);
    assert_eq!(parse(&bytes).flaws[0], "image 0 says that it has no bytes");
}

#[test]
fn a_uefi_image_without_its_header_or_its_program_is_told() {
    let mut headless = rom(&[uefi()]);
    headless[4] = 0;
    assert_eq!(verdict(&headless), "is damaged: image 0 says that it is a UEFI driver, but has no UEFI header");
    let mut empty = rom(&[Image { compression: 0, ..uefi() }]);
    empty[0x100] = 0;
    assert_eq!(verdict(&empty), "is damaged: image 0 has no program where its UEFI header points");
    let packed = rom(&[Image { compression: 7, ..uefi() }]);
    assert_eq!(verdict(&packed), "is damaged: image 0 is compressed by method 7, which UEFI does not know");
}

#[test]
fn what_follows_the_last_image_is_counted_unless_it_is_blank() {
    let bytes = rom(&[legacy(), uefi()]);
    assert_eq!(parse(&[bytes.as_slice(), &[0xff; 512]].concat()).trailing, 0);
    assert_eq!(parse(&[bytes.as_slice(), &[1; 512]].concat()).trailing, 512);
}

#[test]
fn a_chain_without_end_is_read_so_far_and_no_further() {
    let bytes = rom(&vec![Image { blocks: 1, ..legacy() }; 100]);
    let found = parse(&bytes);
    assert_eq!(found.images.len(), 64);
    assert!(found.flaws.last().unwrap().contains("more than 64"));
}

#[test]
fn what_is_no_rom_is_told_why() {
    assert_eq!(OptionRom::parse(&[]), Err(NoRom::Empty));
    assert_eq!(OptionRom::parse(&[0xff; 4096]), Err(NoRom::Blank(0xff)));
    assert_eq!(OptionRom::parse(b"MZ not a rom"), Err(NoRom::NoImage));
    assert_eq!(OptionRom::parse(&vec![0; LARGEST_ROM + 1]), Err(NoRom::TooLarge));
}

fn image() -> impl Strategy<Value = Image> {
    let ids = (any::<u16>(), any::<u16>(), vec(1u16.., 0..8));
    let code = (Just(0u8).prop_union(Just(3u8)), 1u16..6, any::<u16>(), 0u16..3);
    (ids, code, any::<bool>()).prop_map(
        |((vendor, device, devices), (code_type, blocks, machine, compression), last)| Image {
            vendor,
            device,
            devices,
            code_type,
            blocks,
            machine,
            compression,
            last,
        },
    )
}

proptest::proptest! {
    #[test]
    fn what_was_laid_out_is_read_back(before in vec(image(), 0..4), end in image(), header in 0usize..700) {
        let mut images: Vec<_> = before.into_iter().map(|image| Image { last: false, ..image }).collect();
        images.push(Image { last: true, ..end });
        let found = parse(&[vec![b'x'; header], rom(&images)].concat());
        proptest::prop_assert_eq!(found.header, header);
        proptest::prop_assert_eq!(found.images.len(), images.len());
        for (found, image) in found.images.iter().zip(&images) {
            proptest::prop_assert_eq!(found.length, usize::from(image.blocks) * 512);
            proptest::prop_assert_eq!((found.vendor, found.device), (image.vendor, image.device));
            proptest::prop_assert_eq!(&found.devices, &image.devices);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_fail(mut bytes in vec(any::<u8>(), 0..3000), marks in vec((any::<u16>(), any::<u16>()), 0..6)) {
        for (at, data) in marks {
            let at = usize::from(at) % (bytes.len() + 1);
            let data = usize::from(data) % (bytes.len() + 1);
            let put = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| {
                if let Some(place) = bytes.get_mut(at..at + what.len()) {
                    place.copy_from_slice(what);
                }
            };
            put(&mut bytes, at, &[0x55, 0xaa]);
            put(&mut bytes, at + 0x18, &u16::try_from(data).unwrap().to_le_bytes());
            put(&mut bytes, at + data, b"PCIR");
        }
        if let Ok(rom) = OptionRom::parse(&bytes) {
            proptest::prop_assert!(rom.images.len() <= 64);
            proptest::prop_assert!(!RomVerdict::of(&rom, CARD).to_string().is_empty());
            proptest::prop_assert!(OptionRom::parse(rom.trimmed(&bytes)).is_ok());
        }
    }
}
