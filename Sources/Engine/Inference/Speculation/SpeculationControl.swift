/// Decides, step by step, whether drafts are worth their rows: it compares tokens a second of steps with and without
/// them, at each load apart, since a further row costs little where steps are long anyway and much where each row
/// brings experts of its own.
///
/// Decisions change no token, only how long it takes; so they may depend on clocks.
struct SpeculationControl {
  /// Tokens a second of late: a step counts half after some thirty others.
  struct Rate {
    private(set) var steps = 0
    private var tokens = 0.0
    private var seconds = 0.0

    mutating func add(tokens: Int, seconds: Double) {
      steps += 1
      self.tokens = self.tokens * Self.decay + Double(tokens)
      self.seconds = self.seconds * Self.decay + seconds
    }

    /// Nil before there was a step.
    var value: Double? { seconds > 0 ? tokens / seconds : nil }
    private static let decay = 0.98
  }

  private enum Phase {
    /// Steps to be measured with drafts, then without.
    case drafting(left: Int)
    case plain(left: Int)
    /// Decided, until it is measured again after so many steps.
    case on(left: Int)
    case off(left: Int)
    /// To be tried again with sequences that the prediction module has read whole, or after so many steps with any.
    case due(left: Int)
  }

  private struct Load {
    var phase = Phase.drafting(left: trial)
    var plain = Rate()
    var drafted = Rate()
    /// Steps until the next trial, doubled with each that was in vain.
    var patience = shortest
    var isFirst = true
  }

  /// Steps of a trial, and steps between trials.
  private static let (trial, shortest, longest) = (8, 256, 8192)

  private let adapts: Bool
  private var loads: [Int: Load] = [:]

  init(adapts: Bool) { self.adapts = adapts }

  /// Loads that are alike: each number of sequences up to sixteen, then eighths of an octave.
  static func kind(ofLoad sequences: Int) -> Int {
    guard sequences > 16 else { return max(sequences, 1) }
    let octave = Int.bitWidth - 1 - sequences.leadingZeroBitCount
    return octave * 8 + (sequences - 1 << octave) * 8 / (1 << octave) - 16
  }

  /// Whether a step that continues so many sequences is to draft; `isWhole`: the prediction module, if it drafts, has
  /// read nearly all of them.
  mutating func drafts(continuing sequences: Int, isWhole: Bool) -> Bool {
    guard adapts else { return true }
    let kind = Self.kind(ofLoad: sequences)
    switch loads[kind]?.phase ?? .drafting(left: Self.trial) {
    case .plain, .off: return false
    case .drafting, .on: return true
    case .due(let left):
      guard isWhole || left <= 0 else { return false }
      loads[kind]?.phase = .drafting(left: Self.trial)
      loads[kind]?.drafted = Rate()
      return true
    }
  }

  /// Whether the prediction module is to read prompts where nothing is drafted, so that it can be tried: not once it
  /// was in vain again and again.
  var readsPrompts: Bool { !adapts || loads.isEmpty || loads.values.contains { $0.patience < Self.longest } }

  /// Tokens a second without drafts at this load, where they were measured.
  func plainRate(continuing sequences: Int) -> Double? { loads[Self.kind(ofLoad: sequences)]?.plain.value }

  /// Notes a decode step that continued so many sequences: how many tokens were sampled, in what time, and whether it
  /// drafted or ran the prediction module.
  mutating func note(continuing sequences: Int, drafted: Bool, tokens: Int, seconds: Double) {
    var load = loads[Self.kind(ofLoad: sequences)] ?? Load()
    defer { loads[Self.kind(ofLoad: sequences)] = load }
    // A load's first step finds memory and caches cold.
    guard !load.isFirst else {
      load.isFirst = false
      return
    }
    if drafted {
      load.drafted.add(tokens: tokens, seconds: seconds)
    } else {
      load.plain.add(tokens: tokens, seconds: seconds)
    }
    switch load.phase {
    case .drafting(let left):
      guard drafted else { return }
      if left > 1 {
        load.phase = .drafting(left: left - 1)
      } else if load.plain.steps < Self.trial {
        load.phase = .plain(left: Self.trial)
      } else {
        Self.decide(&load)
      }
    case .plain(let left):
      guard !drafted else { return }
      if left > 1 { load.phase = .plain(left: left - 1) } else { Self.decide(&load) }
    case .on(let left):
      if left > 1 {
        load.phase = .on(left: left - 1)
        // A text that is guessed badly need not wait for the next trial.
        if left % Self.trial == 0, !Self.pays(load) { Self.decide(&load) }
      } else {
        load.phase = .plain(left: Self.trial)
      }
    case .off(let left): load.phase = left > 1 ? .off(left: left - 1) : .due(left: 4 * Self.shortest)
    case .due(let left): load.phase = .due(left: left - 1)
    }
  }

  private static func pays(_ load: Load) -> Bool {
    guard let plain = load.plain.value, let drafted = load.drafted.value else { return true }
    return drafted > plain
  }

  private static func decide(_ load: inout Load) {
    if pays(load) {
      load.phase = .on(left: shortest)
      load.patience = shortest
    } else {
      load.phase = .off(left: load.patience)
      load.patience = min(2 * load.patience, longest)
    }
  }
}
