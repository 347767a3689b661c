import Glibc
import JSON

/// What is published of a model beside its weights: documents by the names that files have in a folder of Hugging Face,
/// such as `config.json`, `tokenizer.json` or `chat_template.jinja`. A format that keeps the same facts otherwise makes
/// documents of them.
package protocol ModelDocuments: Sendable {
  /// Where the model lies, for messages.
  var path: String { get }
  /// The bytes of a document; nil where there is none. Throws when it is longer than `limit` or cannot be read.
  func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]?
  /// Where a document is a file, or would be one, that is no part of what was published, such as sums of the tensors.
  func placeOfDocument(_ name: String) -> String
}

extension ModelDocuments {
  package func placeOfDocument(_ name: String) -> String { "\(path)/\(name)" }
}

/// A model as it was published, opened and checked but not yet read: its settings, and its tensors by name.
///
/// Each format of files is one implementation of this, with a row in `CheckpointFormat.all`; whoever describes, loads,
/// quantises, sums or compares models knows no other. Names of settings and tensors are those of the model's family.
package protocol Checkpoint: ModelDocuments, TensorReader, AnyObject {
  /// The model's settings, an object with the keys of `config.json`.
  var config: JSONValue { get }
  /// How its makers would have it generate, with the keys of `generation_config.json`; nil where they do not say.
  var generationConfig: JSONValue? { get }

  /// Every tensor once, file after file, each in the order of its data.
  var entries: [TensorEntry] { get }
  /// The tensor whose name has the same bytes as `name`.
  func tensor(_ name: String) -> TensorEntry?
  /// The place in `entries` of one of them.
  func position(of entry: TensorEntry) -> Int?
  /// Why there is no tensor of this name although the checkpoint should have it; nil where it should not.
  func absence(of name: String) -> CheckpointError?

  /// What a user should know of its files; nil where nothing is odd.
  var remark: String? { get }

  /// Whether its settings are in the files of its weights.
  var holdsItsSettings: Bool { get }

  /// Files the weights are in.
  var fileCount: Int { get }
  /// What the system knows these files by: equal for two processes of one host that have the same files open.
  var identity: UInt64 { get }
  /// SHA-256 of each part that can be hashed without reading weights, such as settings and headers with the size of
  /// their file; zeros for a part that is missing.
  var fingerprintParts: [(file: String, digest: [UInt8])] { get }

  /// Tells the system that `bytes` of a tensor will be read soon; returns at once, and does nothing where it cannot.
  func prefetch(_ entry: TensorEntry, bytes range: Range<Int>)
  /// Bytes of tensor data read so far, by all threads.
  var bytesRead: Int { get }
  /// Throws when a file of weights changed since it was opened; to be called after loading.
  func checkUnchanged() throws(CheckpointError)

  /// Writes what lies beside weights and settings, such as the tokenizer, into `output`.
  func copyCompanions(to output: OutputFolder) throws(CheckpointError)
}

extension Checkpoint {
  package var remark: String? { nil }
  package var holdsItsSettings: Bool { false }

  /// Names of all tensors, in the order of `entries`.
  package var names: some RandomAccessCollection<String> { entries.lazy.map(\.name) }

  /// Whether there is a tensor of this name.
  package func holds(_ name: String) -> Bool { tensor(name) != nil }

  /// Bytes of all tensors.
  package var totalByteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }

  /// SHA-256 over all parts: equal on two ranks when they see the same checkpoint, as far as one can tell without
  /// reading it. Tensor data are not hashed; see `TensorSum`.
  package var fingerprint: [UInt8] { SHA256.digest(fingerprintParts.flatMap(\.digest)) }

  /// SHA-256 of what the system says of the files that weights are in: which they are, how long, and when they last
  /// changed; nil where there are none, or they cannot be looked at.
  package var fileStamp: [UInt8]? {
    var hash = SHA256()
    var last: Int?
    for entry in entries where entry.fileIndex != last {
      last = entry.fileIndex
      var status = stat()
      guard stat(file(of: entry), &status) == 0 else { return nil }
      hash.update(count: Int(truncatingIfNeeded: status.st_dev))
      hash.update(count: Int(truncatingIfNeeded: status.st_ino))
      for part in [Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec)] {
        hash.update(count: part)
      }
    }
    return last == nil ? nil : hash.finish()
  }

  /// Reader of the model's settings.
  package func settings() throws(CheckpointError) -> ConfigReader {
    try ConfigReader(config, path: path + "/config.json")
  }

  /// Reader of `generationConfig`; nil where there is none.
  package func generationSettings() throws(CheckpointError) -> ConfigReader? {
    guard let generationConfig else { return nil }
    return try ConfigReader(generationConfig, path: path + "/generation_config.json")
  }

  /// Whether two tensors are of one type and shape and hold the same bytes, all of which are read.
  package func haveSameBytes(_ a: TensorEntry, _ b: TensorEntry) throws(CheckpointError) -> Bool {
    try compareBytes(a, b, in: self)
  }
}
