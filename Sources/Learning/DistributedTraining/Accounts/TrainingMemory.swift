import MoEModel

/// What one rank holds while it trains, in bytes by part, from settings alone: counted as the rooms below lay it out,
/// so that it can be held against what the process came to take.
///
/// Experts' visits are those of even routing. Not counted: the program itself, its tokenizer, data, and what MPI takes.
package struct TrainingMemory: Sendable, Equatable {
  package enum Part: String, CaseIterable, Sendable {
    /// As the forward pass holds them: matrices in bf16 panels, vectors in fp32.
    case weights
    /// The same values in fp32, row after row, for the backward pass.
    case values
    /// fp32 weights that optimisers change: own slices, own experts.
    case masters
    /// Moments or momentum of these, and Muon's scratch.
    case optimizer
    /// Sums of own slices and experts, of leaves, and on their way between ranks.
    case gradients
    /// What the forward pass leaves of each layer.
    case activations
    /// What experts see and make of their visits.
    case experts
    /// Rows of the backward pass.
    case backward
    /// Of as many rows as exist at one time.
    case logits
    /// Keys and values of a step.
    case cache
    /// Tokens and outputs between ranks.
    case messages
    /// A model that is asked beside the one in training: its weights, and what it makes of a step.
    case teacher
    /// What the model samples completions with, and a teacher that samples some: keys and values of all of a round.
    case rollouts
    /// A copy of masters and of what the optimiser keeps, from which checkpoints are written while steps go on; pieces
    /// on their way.
    case checkpoints
    /// Of workers, of rounding and of saving.
    case scratch

    package var label: String {
      switch self {
      case .weights: "weights (bf16)"
      case .values: "weights (fp32)"
      case .masters: "masters"
      case .optimizer: "optimiser"
      case .gradients: "gradients"
      case .activations: "activations"
      case .experts: "experts' visits"
      case .backward: "backward pass"
      case .logits: "logits"
      case .cache: "keys and values"
      case .messages: "messages"
      case .teacher: "teacher"
      case .rollouts: "rollouts"
      case .checkpoints: "checkpoints"
      case .scratch: "scratch"
      }
    }
  }

  private var amounts: [Part: Double] = [:]
  /// Bytes of rollouts without which completions wait for each other.
  package private(set) var spareRollouts = 0

  package init(_ layout: TrainingLayout, rank: Int) {
    addParameters(layout, rank)
    addLayers(layout, rank)
    addExperts(layout, rank)
    addMessages(layout, rank)
    add(.teacher, Double(layout.teacherBytes(rank)))
    for rollouts in layout.rollouts {
      add(.rollouts, Double(rollouts.byteCount))
      spareRollouts += rollouts.byteCount - rollouts.leastByteCount
    }
  }

  /// Of the rank that holds most.
  package static func busiest(_ layout: TrainingLayout) -> (rank: Int, memory: TrainingMemory) {
    var best = (rank: 0, memory: TrainingMemory(layout, rank: 0))
    for rank in layout.samples.dropFirst() {
      let memory = TrainingMemory(layout, rank: rank)
      if memory.total > best.memory.total { best = (rank, memory) }
    }
    return best
  }

  package func byteCount(_ part: Part) -> Int { Self.bytes(amounts[part] ?? 0) }
  package var total: Int { Self.bytes(amounts.values.reduce(0, +)) }

  /// Without the copy for checkpoints, and with room for one completion at a time: where there is no memory for more,
  /// steps wait for checkpoints, and completions for each other.
  package var least: Int { total - byteCount(.checkpoints) - spareRollouts }

  /// A sum may be more than there is anywhere: it is no trap for all that.
  private static func bytes(_ amount: Double) -> Int { Int(min(max(0, amount), 4e18)) }

  mutating func add(_ part: Part, _ bytes: Double) { amounts[part, default: 0] += bytes }
  mutating func add(_ part: Part, floats: Double) { add(part, 4 * floats) }

  /// Rows that memory which grows with its use comes to have for so many (`RowStorage`, `GrowingList`).
  static func reserved(_ rows: Double) -> Double { rows + (rows / 2).rounded(.down) }
}
