import Fabric
import MoEModel

extension Scheduler {
  /// Lets sequences in, oldest first, as long as there is room. None overtakes one that finds no room; those that wait
  /// until another has read their prompt keep their places free.
  mutating func admitSequences(_ plan: inout StepPlan) {
    guard !waiting.isEmpty, running.count < limits.sequences else { return }
    var held = HeldPlaces(homes: pools.count)
    let all = running.count + min(waiting.count, limits.sequences - running.count)
    held.evenPart = (all + pools.count - 1) / pools.count
    var next = 0
    while next < waiting.count, running.count + held.count < limits.sequences {
      guard let place = place(waiting[next], held) else { return }
      if place.waits {
        held.hold(place.home, blocks: KeyValueCache.blockCount(tokens: waiting[next].tokens.count) - place.cached.count)
        next += 1
      } else {
        admit(waiting.remove(at: next), place, &plan)
      }
    }
  }

  /// Places of sequences that wait for another to read their prompt.
  private struct HeldPlaces {
    private(set) var count = 0
    /// By home.
    private(set) var loads: [Int]
    private(set) var blocks: [Int]
    /// Sequences of each home, were all that may run shared out evenly.
    var evenPart = 0

    init(homes: Int) {
      loads = Array(repeating: 0, count: homes)
      blocks = loads
    }

    mutating func hold(_ home: Int, blocks count: Int) {
      self.count += 1
      loads[home] += 1
      blocks[home] += count
    }
  }

  /// Where a sequence may go.
  private struct Place {
    var home: Int
    /// Blocks of its beginning that are there, and after which it can go on.
    var cached: [Int32]
    /// How many are there.
    var known: Int
    /// Tokens of its beginning that are there.
    var cachedTokens: Int
    /// The block of another with those of them that fill none.
    var copied = BlockPool.none
    /// They will be there: another is reading them.
    var waits = false
  }

  /// The home with the most of the sequence in its cache, among those that have room and are not much busier than the
  /// idlest: one sequence more for every 512 tokens that need not be read. Sequences of one prompt keep together as
  /// long as each home gets no more than its even part of all.
  private func place(_ sequence: ScheduledSequence, _ held: HeldPlaces) -> Place? {
    let needed = KeyValueCache.blockCount(tokens: sequence.tokens.count)
    // At least one token must be fed to sample the next; scores and means are of all.
    let limit = sequence.isReadWhole ? 0 : (sequence.tokens.count - 1) / KeyValueCache.blockTokens
    var best: Place?
    var bestRank = (1, Int.max, 0)
    for home in pools.indices where !keepsStates || pools[home].states.availableCount > held.loads[home] {
      let known = pools[home].prefix(of: sequence.tokens, limit: limit)
      let cached = resumable(known, on: home)
      var place = Place(
        home: home, cached: cached, known: known.count, cachedTokens: cached.count * KeyValueCache.blockTokens)
      let joins = share(sequence, &place)
      let load = loads[home] + held.loads[home]
      // Those already there may each need another block soon.
      let rest =
        pools[home].availableCount - pools[home].idle(among: cached) - (needed - cached.count) - held.blocks[home]
      guard rest >= load else { continue }
      // Sequences count as the tokens that reading would have to save.
      let rank = joins && load < held.evenPart ? (0, load, -rest) : (1, load * 512 - place.cachedTokens, -rest)
      if rank < bestRank { (best, bestRank) = (place, rank) }
    }
    return best
  }

  /// Less of a prompt is not worth the wait for a step.
  private static let leastShared = 8

  /// Notes in `place` what a sequence there has read, or is reading, of the same prompt; false where there is none that
  /// saves much.
  ///
  /// Whole blocks are found in the cache. What is left of the prompt, but for its last token, which each sequence feeds
  /// itself to sample from, is copied from the other's block.
  private func share(_ sequence: ScheduledSequence, _ place: inout Place) -> Bool {
    guard limits.keepsPrefixes, case .generate = sequence.request.task else { return false }
    guard !keepsStates else { return shareStates(sequence, &place) }
    let shared = sequence.promptCount - 1
    guard shared >= Self.leastShared else { return false }
    var isShared = false
    for i in running.indices where running[i].home.index == place.home {
      guard let count = running[i].count(ofSamePromptAs: sequence) else { continue }
      if !running[i].isNew, running[i].fed >= shared {
        if shared > place.cachedTokens, shared / KeyValueCache.blockTokens == place.cached.count {
          (place.cachedTokens, place.copied) = (shared, running[i].blocks[place.cached.count])
        }
        place.waits = false
        return true
      }
      // One that ends with its first token takes what it has read along.
      guard count > running[i].generated + 1 else { continue }
      isShared = true
      if shared - place.cachedTokens >= Self.leastShared { place.waits = true }
    }
    if place.waits { place.cachedTokens = shared }
    return isShared
  }

  /// The same where layers keep states: a sequence goes on from the snapshot that another takes at the prompt's last
  /// whole block, and reads the rest itself.
  private func shareStates(_ sequence: ScheduledSequence, _ place: inout Place) -> Bool {
    let shared = (sequence.promptCount - 1) / KeyValueCache.blockTokens * KeyValueCache.blockTokens
    guard shared > 0 else { return false }
    var isShared = false
    for i in running.indices where running[i].home.index == place.home {
      // One that ends with its first token takes its snapshot along.
      guard let count = running[i].count(ofSamePromptAs: sequence), count > running[i].generated + 1 else { continue }
      isShared = true
      // One that has passed the place and left none there had no slot for it.
      guard place.cachedTokens < shared, running[i].fed < shared else { continue }
      if running[i].states.wantsSnapshot(at: shared) { place.waits = true }
    }
    if place.waits { place.cachedTokens = shared }
    return isShared
  }

  private mutating func admit(_ sequence: ScheduledSequence, _ place: Place, _ plan: inout StepPlan) {
    let (home, cached) = (place.home, place.cached)
    var sequence = sequence
    sequence.home = Rank(home)
    sequence.isNew = true
    pools[home].hold(cached)
    sequence.blocks = cached
    (sequence.keptCount, sequence.lastKept) = (cached.count, cached.last ?? BlockPool.none)
    for _ in cached.count..<KeyValueCache.blockCount(tokens: sequence.tokens.count) {
      // `place` has counted them.
      guard let block = pools[home].take() else { break }
      sequence.blocks.append(block)
    }
    sequence.fed = place.cachedTokens
    admitState(&sequence, known: place.known)
    loads[home] += 1
    count(sequence, cachedTokens: sequence.fed)
    plan.admissions.append(sequence.admission(cachedCount: sequence.fed, copied: place.copied))
    running.append(sequence)
  }
}

extension ScheduledSequence {
  /// How many tokens it may have at most, where it generates after the same prompt as another; nil where it does not.
  fileprivate func count(ofSamePromptAs other: ScheduledSequence) -> Int? {
    guard promptDigest == other.promptDigest, case .generate(let count, _, _) = request.task,
      request.prompt == other.request.prompt
    else { return nil }
    return count
  }
}
