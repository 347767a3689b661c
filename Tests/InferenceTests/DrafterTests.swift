import EngineAPI
import Testing

@testable import Inference

/// Look-up, and the decision whether drafts pay.
struct DrafterTests {
  @Test func whatFollowedTheSameTokensBeforeIsDrafted() {
    #expect(PromptLookup.continuation(of: [1, 2, 3, 4, 5, 6, 1, 2, 3], count: 2).tokens == [4, 5])
    #expect(
      PromptLookup.continuation(of: [1, 2, 3, 4, 5, 6, 1, 2, 3], count: 9).tokens == [4, 5, 6, 1, 2, 3, 4, 5, 6])
    #expect(PromptLookup.continuation(of: [7, 7, 7, 7], count: 3).tokens == [7, 7, 7])
    // Of equally long ones the latest, of others the longest.
    #expect(PromptLookup.continuation(of: [1, 2, 3, 8, 1, 2, 3, 9, 1, 2, 3], count: 1).tokens == [9])
    #expect(PromptLookup.continuation(of: [0, 1, 2, 3, 8, 5, 1, 2, 3, 9, 0, 1, 2, 3], count: 1).tokens == [8])
    // Two tokens are too few, and so is a text of three.
    for tokens in [[1, 2, 9, 1, 2], [5, 5, 5], [], [1]] as [[Int32]] {
      #expect(PromptLookup.continuation(of: tokens, count: 4).tokens == [])
    }
    #expect(PromptLookup.continuation(of: [7, 7, 7, 7], count: 0).tokens == [])
  }

  /// Against the same found by trying everything.
  @Test func theBestPlaceIsFound() {
    var state: UInt64 = 5
    for length in 0..<300 {
      let tokens = (0..<length).map { _ -> Int32 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int32(state >> 62)
      }
      var (best, found): (Int, [Int32]) = (2, [])
      for end in stride(from: length - 2, through: 2, by: -1) {
        let same = min(12, (0...end).first { tokens[end - $0] != tokens[length - 1 - $0] } ?? end + 1)
        guard same > best else { continue }
        best = same
        found = (1...5).map { tokens[end + 1 + ($0 - 1) % (length - 1 - end)] }
      }
      #expect(PromptLookup.continuation(of: tokens, count: 5).tokens == found, "\(tokens)")
    }
  }

  @Test func theModulesGuessIsGoneOnWithFromTheText() {
    let tokens: [Int32] = [1, 2, 3, 4, 5, 6, 2, 3]
    func drafter(_ predicts: Bool, _ looksUp: Bool) -> Drafter {
      Drafter(predicts: predicts, looksUp: looksUp, limit: 3, adapts: false)
    }
    #expect(drafter(true, true).drafts(after: tokens, prediction: 4, atMost: 3) == [4, 5, 6])
    #expect(drafter(true, true).drafts(after: tokens, prediction: 9, atMost: 3) == [9])
    #expect(drafter(true, false).drafts(after: tokens, prediction: 4, atMost: 3) == [4])
    #expect(drafter(false, true).drafts(after: tokens, prediction: 4, atMost: 3) == [])
    #expect(drafter(true, false).drafts(after: tokens, prediction: nil, atMost: 3) == [])
    #expect(drafter(true, true).drafts(after: tokens, prediction: 4, atMost: 0) == [])
    // Where both know, they agree, or the text has had as much before as is looked at.
    #expect(drafter(true, true).drafts(after: [1, 2, 3, 4, 5, 1, 2, 3], prediction: 4, atMost: 3) == [4, 5, 1])
    #expect(drafter(true, true).drafts(after: [1, 2, 3, 4, 5, 1, 2, 3], prediction: 8, atMost: 3) == [8])
    let long = Array(0..<Int32(15))
    #expect(drafter(true, true).drafts(after: long + long.prefix(12), prediction: 99, atMost: 2) == [12, 13])
  }

  @Test func blocksAreTriedAsFarAsTheyGoAndThenGoneOnWith() {
    let tokens: [Int32] = [1, 2, 3, 4, 5, 6, 2, 3]
    func drafts(_ guesses: [Int32], looksUp: Bool, atMost count: Int, after tokens: [Int32]? = nil) -> [Int32] {
      Drafter(predicts: true, looksUp: looksUp, limit: 5, adapts: false).drafts(
        after: tokens ?? [1, 2, 3, 4, 5, 6, 2, 3], prediction: guesses.first, further: guesses.dropFirst(),
        atMost: count)
    }
    #expect(drafts([7, 8, 9], looksUp: false, atMost: 5) == [7, 8, 9])
    #expect(
      drafts([7, 8, 9], looksUp: false, atMost: 2) == [7, 8] && drafts([7, 8], looksUp: false, atMost: 0) == [])
    #expect(drafts([], looksUp: false, atMost: 5) == [])
    // The text goes on as it did after the last guesses.
    #expect(drafts([9, 2, 3, 4], looksUp: true, atMost: 6) == [9, 2, 3, 4, 5, 6])
    #expect(drafts([9, 9], looksUp: true, atMost: 5) == [9, 9])
    #expect(drafts([1], looksUp: true, atMost: 3, after: tokens + [4, 5]) == [1])
    // What is looked up goes first where it begins with the same.
    #expect(drafts([4, 9, 9], looksUp: true, atMost: 3, after: [1, 2, 3, 4, 5, 1, 2, 3]) == [4, 5, 1])
  }

  /// Runs so many steps of a load; returns how many of them drafted. A drafted step brings `right` tokens more a
  /// sequence, and takes `cost` times as long.
  private func run(
    _ control: inout SpeculationControl, _ steps: Int, load: Int = 2, right: Double, cost: Double, isWhole: Bool = true
  ) -> Int {
    var drafting = 0
    var owed = 0.0
    for _ in 0..<steps {
      let drafts = control.drafts(continuing: load, isWhole: isWhole)
      owed += drafts ? Double(load) * (1 + right) : Double(load)
      control.note(
        continuing: load, drafted: drafts, tokens: Int(owed), seconds: 0.01 * (drafts ? cost : 1))
      owed -= owed.rounded(.down)
      drafting += drafts ? 1 : 0
    }
    return drafting
  }

  @Test func draftsGoOnWherePaid() {
    var control = SpeculationControl(adapts: true)
    let early = run(&control, 20, right: 0.8, cost: 1.3)
    #expect(early > 5)
    let share = Double(run(&control, 5000, right: 0.8, cost: 1.3)) / 5000
    #expect(share > 0.95, "all but a few to measure the others")
    #expect(control.plainRate(continuing: 2).map { abs($0 - 200) < 1 } == true)
  }

  @Test func draftsThatCostAreLeftOutAndTriedAgain() {
    var control = SpeculationControl(adapts: true)
    let early = run(&control, 1000, right: 0.3, cost: 1.9)
    #expect((8...40).contains(early), "\(early)")
    let late = run(&control, 20_000, right: 0.3, cost: 1.9)
    #expect((8...60).contains(late), "\(late): less and less often")
    // Texts that are guessed better are noticed.
    _ = run(&control, 9000, right: 0.95, cost: 1.2)
    let better = run(&control, 1000, right: 0.95, cost: 1.2)
    #expect(better > 900)
    // And the opposite, without waiting for the next trial.
    let worse = run(&control, 250, right: 0, cost: 1.9)
    #expect(worse < 150)
  }

  @Test func loadsAreMeasuredApart() {
    var control = SpeculationControl(adapts: true)
    _ = run(&control, 200, load: 1, right: 0.8, cost: 1.2)
    _ = run(&control, 200, load: 12, right: 0.8, cost: 2.5)
    let drafting = [1, 12, 5].map { control.drafts(continuing: $0, isWhole: true) }
    #expect(drafting == [true, false, true], "of the last nothing is known yet: it is tried")
    let kinds = (1...300).map { SpeculationControl.kind(ofLoad: $0) }
    #expect(kinds.prefix(16).elementsEqual(1...16))
    #expect(zip(kinds, kinds.dropFirst()).allSatisfy { $0 <= $1 && $1 <= $0 + 1 } && kinds[299] < 56)
    var always = SpeculationControl(adapts: false)
    let all = run(&always, 500, right: 0, cost: 9)
    #expect(all == 500 && always.readsPrompts)
  }

  /// A trial waits for texts that the module has read, but not for ever; and a module that is of no use reads no more.
  @Test func aTrialWaitsForTextsThatWereRead() {
    var control = SpeculationControl(adapts: true)
    _ = run(&control, 100, right: 0, cost: 1.5)
    let isTried = control.drafts(continuing: 2, isWhole: true)
    #expect(!isTried, "it was in vain")
    let unread = run(&control, 1000, right: 0.9, cost: 1.2, isWhole: false)
    #expect(unread == 0)
    let late = run(&control, 500, right: 0.9, cost: 1.2, isWhole: false)
    #expect(late > 100, "it has waited long enough")
    #expect(control.readsPrompts)
    _ = run(&control, 60_000, right: 0, cost: 1.5)
    #expect(!control.readsPrompts)
  }
}
