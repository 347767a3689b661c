import Checkpoints
import JSON
import Synchronization
import Tensors

/// A checkpoint that lies in no file: settings, documents and tensors in memory.
final class MemoryCheckpoint: Checkpoint {
  let path = "memory"
  let config: JSONValue
  let generationConfig: JSONValue? = nil
  let entries: [TensorEntry]
  private let positions: [String: Int]
  private let contents: [[UInt8]]
  private let readCount = Mutex(0)
  /// Ranges asked for ahead of their reading, by name.
  let prefetched = Mutex<[String: Int]>([:])
  /// The names, each where it was asked for first.
  let askedFor = Mutex<[String]>([])

  /// What another checkpoint holds, read whole. `change`: how a tensor is stored here. `offset`: where a file would
  /// have it, by its number.
  init(
    copying other: any Checkpoint,
    change: (TensorEntry, [UInt8]) -> (type: ElementType, bytes: [UInt8]) = { ($0.type, $1) },
    offset: (Int) -> Int = { _ in 0 }
  ) throws {
    config = other.config
    let tensors = try other.entries.map { ($0, change($0, try other.readAll($0))) }
    // No offset in a file: all that is read goes through `read`.
    entries = tensors.enumerated().map { number, tensor in
      let (entry, stored) = tensor
      return TensorEntry(
        name: entry.name, type: stored.type, shape: entry.shape, fileIndex: 0, byteOffset: offset(number),
        byteCount: stored.bytes.count)
    }
    contents = tensors.map(\.1.bytes)
    positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
  }

  func document(_ name: String, limit: Int) -> [UInt8]? { nil }
  func tensor(_ name: String) -> TensorEntry? { positions[name].map { entries[$0] } }
  func position(of entry: TensorEntry) -> Int? { positions[entry.name] }
  func absence(of name: String) -> CheckpointError? { nil }

  let fileCount = 0
  let identity: UInt64 = 0
  var fingerprintParts: [(file: String, digest: [UInt8])] { [("memory", Array(config.text().utf8))] }
  func file(of entry: TensorEntry) -> String { path }

  func read(
    _ entry: TensorEntry, bytes range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    guard range.lowerBound >= 0, range.upperBound <= entry.byteCount, let position = positions[entry.name] else {
      throw .rangeOutsideTensor(path: path, name: entry.name, range: range, byteCount: entry.byteCount)
    }
    buffer.copyBytes(from: contents[position][range])
    readCount.withLock { $0 += range.count }
  }

  func prefetch(_ entry: TensorEntry, bytes range: Range<Int>) {
    let before = prefetched.withLock { prefetched in
      prefetched.updateValue((prefetched[entry.name] ?? 0) + range.count, forKey: entry.name)
    }
    if before == nil { askedFor.withLock { $0.append(entry.name) } }
  }
  var bytesRead: Int { readCount.withLock { $0 } }
  func checkUnchanged() {}
  func copyCompanions(to output: OutputFolder) {}
}
