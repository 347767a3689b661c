import Checkpoints
import JSON
import Tensors

/// Which tensors of a checkpoint a model reads.
struct TensorUse {
  private var used: Set<ExactString> = []
  /// How many matrices of each form are rounded as they are read, where they would be held as stored: no matrix is held
  /// in it.
  private(set) var roundedForms: [String: Int] = [:]
  /// The same of matrices that are rounded because others are integers: in blocks, or experts that take one form of
  /// rows.
  private(set) var roundedBesideIntegers: [String: Int] = [:]
  /// Layers that attend to what another's indexer chose.
  private let sharingLayers: Set<Int>
  /// Layers whose experts follow from a token's id.
  private let tabledLayers: Set<Int>
  private let names: PublishedNames
  /// Whether some of them are integers, or FP4 that is held as such.
  private(set) var findsIntegers = false

  /// Of all parameters, or of one layer's. Throws on the first tensor that is missing or has the wrong shape.
  init(_ description: DecoderDescription, layer: Int? = nil, checkpoint: any Checkpoint) throws {
    names = description.names
    sharingLayers = Set(
      description.layers.indices.filter {
        guard case .latent(let latent) = description.layers[$0].attention else { return false }
        return latent.indexer?.isShared == true
      })
    tabledLayers = Set(description.layers.indices.filter { description.layers[$0].routesByToken })
    let parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: 1)
    if let layer {
      for spec in description.parameters(ofLayer: layer) where parameters.table.holder(of: spec.id) == spec.id {
        take(spec, try parameters.find(spec), of: parameters)
      }
    } else {
      try parameters.walk { take($0, $1, of: parameters) }
    }
  }

  private mutating func take(_ spec: ParameterSpec, _ found: StoredParameter, of parameters: StoredParameters) {
    switch found {
    case .matrices(let sources):
      let besideIntegers = parameters.precision == .auto && (parameters.hasBlocks || spec.expert != nil)
      if spec.use != .choice { count(sources, besideIntegers: besideIntegers) }
      // Those of heads are of one tensor, or of two: the first half and the second.
      for source in Set([0, sources.count / 2]).sorted().map({ sources[$0] }) {
        used.insert(ExactString(source.entry.name))
        if source.isOfIntegers { findsIntegers = true }
        for scales in source.storedScales { used.insert(ExactString(scales.entry.name)) }
      }
    case .vector(let source): used.insert(ExactString(source.entry.name))
    }
  }

  /// Counts a matrix that is rounded though it should be held as stored.
  private mutating func count(_ sources: [MatrixSource], besideIntegers: Bool) {
    if let form = sources.lazy.compactMap(\.roundedForm).first {
      roundedForms[form, default: 0] += 1
    } else if besideIntegers, let format = sources.lazy.compactMap(\.roundedFormat).first {
      roundedBesideIntegers[format.name, default: 0] += 1
    }
  }

  /// Tensors that nobody reads and that could matter.
  func unread(in checkpoint: any Checkpoint) -> [TensorEntry] {
    checkpoint.entries.filter { !used.contains(ExactString($0.name)) && !Self.isHarmless($0) && !isOfNoUse($0) }
  }

  /// An indexer that the configuration says is not asked; of DeepSeek-V4 that sees images what is added to the router's
  /// scores for those, and the same for text in layers whose experts follow from a token's id.
  private func isOfNoUse(_ entry: TensorEntry) -> Bool {
    guard let layer = names.layer(ofTensor: entry.name) else { return false }
    if tabledLayers.contains(layer), entry.name == names.tensor(ParameterID(.selectionBias, layer: layer)) {
      return true
    }
    return entry.name.hasSuffix(".gate.bias_vl")
      || sharingLayers.contains(layer) && entry.name.contains(".self_attn.indexer.")
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
}
