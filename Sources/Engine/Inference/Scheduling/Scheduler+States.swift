import Fabric
import MoEModel

// What the scheduler does in models whose layers keep a recurrent state of each sequence: a slot to work in for each
// sequence, and snapshots of few of its states for the prefix cache.
extension Scheduler {
  /// Whether the model keeps recurrent states.
  var keepsStates: Bool { limits.statesPerRank > 0 }

  /// Of kept blocks that hold a sequence's beginning those after which it can go on: all of them, or those up to the
  /// last snapshot.
  func resumable(_ blocks: [Int32], on home: Int) -> [Int32] {
    guard keepsStates else { return blocks }
    let states = pools[home].states
    return Array(blocks.prefix((blocks.lastIndex { states.hasSnapshot($0) } ?? -1) + 1))
  }

  /// Gives a sequence that is admitted a slot to work in. `known`: blocks of its beginning that are kept.
  mutating func admitState(_ sequence: inout ScheduledSequence, known: Int) {
    guard keepsStates else { return }
    let home = sequence.home.index
    sequence.states = ScheduledSequence.States(
      source: sequence.lastKept == BlockPool.none
        ? StateSlots.none
        : pools[home].states.use(sequence.lastKept)
          ?? StateSlots.none,
      leaves: known * KeyValueCache.blockTokens,
      lastBoundary: (sequence.tokens.count - 1) / KeyValueCache.blockTokens * KeyValueCache.blockTokens)
    // `place` has counted it. It may be the snapshot's own slot, which then is one no longer.
    sequence.states.slot = pools[home].states.take() ?? StateSlots.none
  }

  /// Plans snapshots of the states that sequence `index` passes in the plan's last item.
  mutating func planSnapshots(_ index: Int, _ plan: inout StepPlan) {
    guard keepsStates, limits.keepsPrefixes, !running[index].isScored, let item = plan.items.last else { return }
    let (size, home) = (KeyValueCache.blockTokens, running[index].home.index)
    var position = (item.start / size + 1) * size
    while position <= item.start + item.count {
      if running[index].states.wantsSnapshot(at: position) {
        var slot: Int32?
        if running[index].states.rolls(at: position), let latest = running[index].states.rolling {
          slot = pools[home].states.detach(latest)
        }
        if let slot = slot ?? pools[home].states.take() {
          plan.snapshots.append(StepPlan.Snapshot(item: plan.items.count - 1, position: position, slot: slot))
          running[index].states.taken.append((position, slot))
        }
      }
      position += size
    }
  }

  /// Lets a snapshot be found that sequence `index` took at the end of its block number `at`, kept as `block`.
  mutating func keepSnapshot(_ index: Int, at: Int, as block: Int32) {
    let position = (at + 1) * KeyValueCache.blockTokens
    guard let place = running[index].states.taken.firstIndex(where: { $0.position == position }) else { return }
    let (_, slot) = running[index].states.taken.remove(at: place)
    let isOwn = pools[running[index].home.index].states.attach(slot, to: block)
    if running[index].states.rolls(at: position) { running[index].states.rolling = isOwn ? block : nil }
  }

  /// Frees the slots of a sequence that is taken out of the run.
  mutating func releaseStates(of sequence: ScheduledSequence) {
    let home = sequence.home.index
    pools[home].states.give(sequence.states.slot)
    for (_, slot) in sequence.states.taken { pools[home].states.give(slot) }
  }
}

extension ScheduledSequence {
  /// What a sequence has of recurrent states: a slot, and snapshots on their way.
  ///
  /// Snapshots are taken where others, or the sequence itself after it was thrown out, are likely to go on: at the last
  /// whole block of what was there when it was admitted; where that leaves what others began with; at every 1024
  /// tokens; and after each block that it continues, in the place of the one before.
  struct States {
    static let interval = 1024

    /// The slot it works in; none before it is admitted, and in models without states.
    var slot = StateSlots.none
    /// The snapshot that it begins from; none for the state before any token.
    var source = StateSlots.none
    /// Positions: where it leaves blocks that are kept, and its last whole block with a token after it, at its
    /// admission.
    var leaves = 0
    var lastBoundary = 0
    /// Snapshots of steps so far that cannot be found yet.
    var taken: [(position: Int, slot: Int32)] = []
    /// The block of the latest snapshot that a later one replaces.
    var rolling: Int32?

    func rolls(at position: Int) -> Bool { position > lastBoundary }

    func wantsSnapshot(at position: Int) -> Bool {
      rolls(at: position) || position == lastBoundary || position == leaves || position % Self.interval == 0
    }
  }
}
