import Checkpoints
import Glibc
import Inference
import MoEModel
import Tensors

/// Writes logits and routing of one scored text as safetensors.
struct ScoreFiles {
  let description: DecoderDescription

  /// Throws when a file could not be written at `path`, before the work whose result it is to hold.
  static func checkWritable(_ path: String) throws {
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    guard access(folder, W_OK) == 0 else {
      throw PromptError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
  }

  /// `logits`, float32 `[positions, vocabulary]`.
  func writeLogits(_ chunks: [ScoredChunk], to path: String) throws {
    let positions = chunks.reduce(0) { $0 + $1.count }
    let writer = try SafetensorsWriter(
      path: path, tensors: [.init("logits", .float32, [positions, description.vocabularySize])])
    try writer.append("logits", chunks.flatMap(\.logits))
    try writer.finish()
  }

  /// For each mixture layer n, `layer.{n}.indices` int32 `[positions, topK]`, ascending, and `layer.{n}.weights` float32.
  func writeRouting(_ chunks: [ScoredChunk], to path: String) throws {
    let positions = chunks.reduce(0) { $0 + $1.count }
    let layers = chunks.first?.routing.map(\.layer) ?? []
    let topK = description.mixture?.topK ?? 1
    let writer = try SafetensorsWriter(
      path: path,
      tensors: layers.flatMap { layer in
        [
          SafetensorsWriter.Declaration("layer.\(layer).indices", .int32, [positions, topK]),
          SafetensorsWriter.Declaration("layer.\(layer).weights", .float32, [positions, topK]),
        ]
      })
    for (i, layer) in layers.enumerated() {
      try writer.append("layer.\(layer).indices", chunks.flatMap { $0.routing[i].experts })
      try writer.append("layer.\(layer).weights", chunks.flatMap { $0.routing[i].weights })
    }
    try writer.finish()
  }
}
