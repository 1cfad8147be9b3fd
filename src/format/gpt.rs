//! gpt: any disk that begins with the boot sector of a partition table, a GPT's protective MBR or a plain MBR.

use super::capture::{has, le_u32};
use super::inspection::Detected;

const TABLE: usize = 446;
const GPT_PROTECTIVE: u8 = 0xee;

pub(super) fn detect(head: &[u8], total_bytes: u64) -> Option<Detected> {
    if !has(head, 510, &[0x55, 0xaa]) || is_fat(head) {
        return None;
    }
    let mut found = Detected::new("gpt", total_bytes);
    if let Some(reason) = table_fault(head) {
        found.fault_if(true, "mbr", reason);
    }
    Some(found)
}

/// A FAT volume's boot sector carries the same signature: two tables and a fixed disk's media byte tell it.
fn is_fat(head: &[u8]) -> bool {
    head.get(0x10) == Some(&2) && head.get(0x15) == Some(&0xf8)
}

fn table_fault(head: &[u8]) -> Option<&'static str> {
    let mut used = Vec::with_capacity(4);
    let mut protective = false;
    for slot in 0..4 {
        let entry = head.get(TABLE + 16 * slot..TABLE + 16 * (slot + 1))?;
        let [boot, head, sector, cylinder, kind, ..] = *entry else { return None };
        if boot != 0x00 && boot != 0x80 {
            return Some("has a partition with an invalid boot flag; repair its partition table");
        }
        if kind != 0 {
            used.push(slot);
        }
        if kind == GPT_PROTECTIVE {
            protective = true;
            if [head, sector, cylinder] != [0, 2, 0] || le_u32(entry, 8) != Some(1) {
                return Some(
                    "has a protective MBR that does not start at sector 1; repair its partition table",
                );
            }
        }
    }
    if protective && used != [0] {
        return Some("has a protective MBR beside other partitions; repair its partition table");
    }
    used.is_empty().then_some("has a boot sector without any partition; repair its partition table")
}
