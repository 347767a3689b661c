import Checkpoints
import TestSupport

/// Tests that change a small GGUF file, in a folder of their own.
protocol ChangesGGUF {
  var folder: TemporaryFolder { get }
}

extension ChangesGGUF {
  func open(_ change: (inout GGUFBytes) -> Void = { _ in }) throws(CheckpointError) -> any Checkpoint {
    var file = GGUFBytes.tinyLlama
    change(&file)
    return try CheckpointFormat.open(folder.write(file.bytes, as: "m.gguf"))
  }

  /// What is wrong with the file; nil where it opens.
  func problem(_ change: (inout GGUFBytes) -> Void) -> GGUFProblem? {
    guard case .gguf(_, _, let problem) = failure(of: { () throws(CheckpointError) in try open(change) }) else {
      return nil
    }
    return problem
  }
}
