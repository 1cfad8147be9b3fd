//! Sorts any number of pairs of bytes by their first halves: what does not fit into memory is in unnamed files that
//! disappear with the process.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    mem,
    path::PathBuf,
};

/// Bytes that are held at most, besides a buffer for each file.
const HELD_BYTES: usize = 16 << 20;
/// What each pair takes besides its own bytes.
const PAIR_BYTES: usize = 2 * size_of::<Vec<u8>>();
/// Files at most; more become one.
const RUNS_MAX: usize = 32;

/// A key and what belongs to it.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Takes pairs in any order. Blocking.
pub struct Sorter {
    folder: PathBuf,
    held: Vec<Pair>,
    bytes: usize,
    bytes_max: usize,
    runs: Vec<File>,
}

impl Sorter {
    /// Keeps what does not fit into memory in files of this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, held: Vec::new(), bytes: 0, bytes_max: HELD_BYTES, runs: Vec::new() }
    }

    /// Takes another pair.
    ///
    /// # Errors
    /// The file system's.
    pub fn push(&mut self, pair: Pair) -> io::Result<()> {
        self.bytes =
            self.bytes.saturating_add(pair.0.len()).saturating_add(pair.1.len()).saturating_add(PAIR_BYTES);
        self.held.push(pair);
        if self.bytes < self.bytes_max {
            return Ok(());
        }
        if self.runs.len() >= RUNS_MAX {
            let merged = Merged::of(mem::take(&mut self.runs), Vec::new())?;
            self.runs.push(written(&self.folder, merged)?);
        }
        let held = sorted(mem::take(&mut self.held));
        self.bytes = 0;
        self.runs.push(written(&self.folder, held.into_iter().map(Ok))?);
        Ok(())
    }

    /// All of them, in order; equal ones as they come.
    ///
    /// # Errors
    /// The file system's.
    pub fn finish(self) -> io::Result<Merged> {
        Merged::of(self.runs, sorted(self.held))
    }
}

fn sorted(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_unstable();
    pairs
}

fn written(folder: &PathBuf, pairs: impl Iterator<Item = io::Result<Pair>>) -> io::Result<File> {
    let mut writer = BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(folder)?);
    for pair in pairs {
        let (key, rest) = pair?;
        for part in [key, rest] {
            let length = u32::try_from(part.len()).map_err(io::Error::other)?;
            writer.write_all(&length.to_le_bytes())?;
            writer.write_all(&part)?;
        }
    }
    let mut file = writer.into_inner().map_err(|e| e.into_error())?;
    file.rewind()?;
    Ok(file)
}

/// Pairs in order.
pub struct Merged {
    heads: BinaryHeap<Reverse<(Pair, usize)>>,
    runs: Vec<Run>,
}

enum Run {
    File(BufReader<File>),
    Held(std::vec::IntoIter<Pair>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Pair>> {
        match self {
            Self::Held(pairs) => Ok(pairs.next()),
            Self::File(reader) => {
                let Some(key) = part(reader)? else { return Ok(None) };
                let rest = part(reader)?;
                Ok(rest.map(|rest| (key, rest)))
            }
        }
    }
}

fn part(reader: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
    reader.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

impl Merged {
    fn of(files: Vec<File>, held: Vec<Pair>) -> io::Result<Self> {
        let files = files.into_iter().map(|file| Run::File(BufReader::with_capacity(1 << 16, file)));
        let mut runs: Vec<Run> = files.chain([Run::Held(held.into_iter())]).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|pair| Reverse((pair, index))));
        }
        Ok(Self { heads, runs })
    }

    fn pop(&mut self) -> io::Result<Option<Pair>> {
        let Some(Reverse((pair, index))) = self.heads.pop() else { return Ok(None) };
        if let Some(run) = self.runs.get_mut(index)
            && let Some(next) = run.next()?
        {
            self.heads.push(Reverse((next, index)));
        }
        Ok(Some(pair))
    }

    /// The key of the next pair.
    pub fn key(&self) -> Option<&[u8]> {
        self.heads.peek().map(|Reverse(((key, _), _))| key.as_slice())
    }
}

impl Iterator for Merged {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<io::Result<Pair>> {
        self.pop().transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that pairs come in order however many files they were written to, and that there are never more files than
    /// are allowed.
    #[test]
    fn pairs_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter { bytes_max: 500, ..Sorter::new(folder.path().to_owned()) };
        let mut expected = Vec::new();
        for number in 0_u32..3000 {
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
            expected.push((key.clone(), number.to_le_bytes().to_vec()));
            sorter.push((key, number.to_le_bytes().to_vec())).unwrap();
            assert!(sorter.runs.len() <= RUNS_MAX);
        }
        expected.sort();
        let found: Vec<Pair> = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert!(found == expected);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
