import Checkpoints
import JSON
import Kernels
import Tensors

/// Which tensors of a checkpoint a model reads, found by walking it.
final class TensorUse: WeightAllocator {
  private var used: Set<ExactString> = []

  /// Throws on the first tensor that is missing or has the wrong shape.
  init(_ description: DecoderDescription, folder: CheckpointFolder) throws {
    let tensors = CheckpointTensors(folder: folder, description: description, workerCount: 1)
    _ = try ModelAssembly(description: description, tensors: tensors, allocator: self, owns: { _, _ in true }).model()
  }

  /// Tensors that nobody reads and that could matter.
  func unread(in folder: CheckpointFolder) -> [TensorEntry] {
    folder.entries.filter { !used.contains(ExactString($0.name)) && !Self.isHarmless($0) }
  }

  /// What checkpoints hold beside weights: buffers that follow from the configuration, masks, and scales of inputs and
  /// of the attention cache, which are not rounded here.
  private static func isHarmless(_ entry: TensorEntry) -> Bool {
    if entry.type == .bool || entry.byteCount == 0 { return true }
    let parts = entry.name.split(separator: ".")
    guard let last = parts.last else { return false }
    if parts.contains("rotary_emb") || parts.contains("rotary_pos_emb") || parts.contains("rope") { return true }
    let buffers: Set<Substring> = [
      "masked_bias", "inv_freq", "cos_cached", "sin_cached", "position_ids", "input_scale", "output_scale",
      "activation_scale", "input_activation_scale", "k_scale", "v_scale", "q_scale", "kv_scale", "prob_scale",
      "k_zero_point",
      "v_zero_point", "input_zero_point", "input_global_scale",
    ]
    if buffers.contains(last) || last.hasSuffix("_activation_scale") || last.hasSuffix("_input_scale") { return true }
    // GPT-2's causal mask: a square that is no projection's bias.
    return last == "bias" && entry.shape.count == 4
  }

  func matrix(_ source: MatrixSource, bias: VectorSource?) throws -> PackedMatrix {
    used.insert(ExactString(source.entry.name))
    for scales in source.storedScales { used.insert(ExactString(scales.entry.name)) }
    if let bias { _ = try vector(bias) }
    return PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: nil,
      bounds: source.bounds, shards: [nil])
  }

  func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    used.insert(ExactString(source.entry.name))
    return Self.empty
  }

  private static let empty = AlignedBuffer<Float>(count: 1)
}
