import Checkpoints
import Glibc
import Inference
import MoEModel
import Tensors

/// The safetensors files that take logits and routing of one scored text.
struct ScoreFiles {
  private let logits: SafetensorsWriter?
  private let routing: SafetensorsWriter?
  private let moeLayers: [Int]

  /// Creates the files asked for, so that a path nobody can write to is found before the work and not after it.
  ///
  /// `logits`, float32 `[positions, vocabulary]`; for each MoE layer n, `layer.{n}.indices` int32 `[positions,
  /// topK]`, ascending, and `layer.{n}.weights` float32. They get their names when written; throws
  /// `PromptError.unwritable`.
  init(logits: String?, routing: String?, positions: Int, description: DecoderDescription) throws {
    let topK = description.moe?.topK ?? 0
    moeLayers = description.moeLayers
    self.logits = try logits.map {
      try Self.create($0, [.init("logits", .float32, [positions, description.vocabularySize])])
    }
    self.routing = try routing.map {
      try Self.create(
        $0,
        description.moeLayers.flatMap { layer in
          [
            SafetensorsWriter.Declaration("layer.\(layer).indices", .int32, [positions, topK]),
            SafetensorsWriter.Declaration("layer.\(layer).weights", .float32, [positions, topK]),
          ]
        })
    }
  }

  /// Fills and names the files; `chunks` in order of position.
  func write(_ chunks: [ScoredChunk]) throws {
    if let logits {
      for chunk in chunks { try logits.append("logits", chunk.logits) }
      try logits.finish()
    }
    if let routing {
      for (i, layer) in moeLayers.enumerated() {
        for chunk in chunks {
          try routing.append("layer.\(layer).indices", chunk.routing[i].experts)
          try routing.append("layer.\(layer).weights", chunk.routing[i].weights)
        }
      }
      try routing.finish()
    }
  }

  private static func create(_ path: String, _ tensors: [SafetensorsWriter.Declaration]) throws -> SafetensorsWriter {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw PromptError.unwritable(path: path, reason: "something other than a file has that name")
    }
    do throws(CheckpointError) {
      return try SafetensorsWriter(path: path, tensors: tensors)
    } catch {
      guard case .system(_, _, let code) = error else { throw error }
      throw PromptError.unwritable(path: path, reason: String(cString: strerror(code)))
    }
  }
}
