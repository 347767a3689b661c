import ArgumentParser
import Checkpoints
import Glibc
import JSON
import MoEModel
import Reports

/// `martinet checksum`: the sums of a checkpoint's tensors, compared with those recorded beside it, or recorded.
struct Checksum: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare a checkpoint's weights with the sums recorded beside them, or record them.",
    discussion: """
      martinet checksum DeepSeek-V2-Lite --record
      writes \(RecordedSums.fileName) into the folder. From then on every run compares what it reads with it: damaged \
      weights are found while they are loaded. `quantize` and `bench make-checkpoint` record sums of what they write. \
      The sums are made for accidents, not against attackers.
      """)

  @Argument(help: ArgumentHelp("The checkpoint's folder.", valueName: "dir")) var folder: String
  @Flag(help: "Record the sums of what is there, in place of a record that may be there.") var record = false
  @OptionGroup var workers: WorkerOptions

  func run() throws {
    try workers.run { pool in
      let checkpoint = try CheckpointFormat.open(try ModelLocation.resolve(folder))
      let recorded = record ? nil : try RecordedSums(of: checkpoint)
      guard record || recorded != nil else { throw ChecksumError.nothingRecorded(folder) }
      let scan = WeightScan.all(checkpoint)
      var bar = ProgressBar("reading")
      let sums = scan.byTensor(try scan.run(pool: pool) { bar.show(bytes: $0, of: scan.byteCount) })
      bar.finish()
      if let recorded { try recorded.check(sums, in: checkpoint) }
      if record { try write(sums, of: checkpoint) }
      let known = checkpoint.entries.count { recorded?[$0.name] != nil }
      say(
        "martinet: \(Figures.count(checkpoint.entries.count, "tensor")), \(Figures.size(scan.byteCount)): "
          + (record ? "sums recorded in \(RecordedSums.fileName)" : "\(known) have the sums recorded"))
    }
  }

  /// Replaces the record in one step.
  private func write(_ sums: [TensorSum], of checkpoint: any Checkpoint) throws {
    var record = RecordedSums()
    for (entry, sum) in zip(checkpoint.entries, sums) { record[entry.name] = sum.value }
    let path = checkpoint.placeOfDocument(RecordedSums.fileName)
    let partial = "\(path).partial-\(getpid())"
    guard let file = fopen(partial, "wxe") else { throw ChecksumError.system(path, String(cString: strerror(errno))) }
    var text = record.json.text(pretty: true) + "\n"
    let isWritten = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
    guard fclose(file) == 0, isWritten, rename(partial, path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(partial)
      throw ChecksumError.system(path, reason)
    }
  }
}

/// Why sums cannot be compared or recorded.
enum ChecksumError: Error, Equatable, CustomStringConvertible {
  case nothingRecorded(String)
  case system(String, String)

  var description: String {
    switch self {
    case .nothingRecorded(let folder): "\(folder) has no \(RecordedSums.fileName) to compare with; --record writes one"
    case .system(let path, let reason): "cannot write \(path): \(reason)"
    }
  }
}
