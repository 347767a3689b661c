import Testing

@testable import Machine

/// Which cores of a host a job takes.
@Suite struct HostCoresTests {
  private let nodes = [NUMANode(id: 0, cores: [0, 2, 4, 6]), NUMANode(id: 1, cores: [1, 3, 5, 7])]
  private let all = Array(0..<8)

  private func choose(_ candidates: [[Int]], _ change: (inout HostCores.Wishes) -> Void) -> HostCores {
    var wishes = HostCores.Wishes()
    change(&wishes)
    return HostCores.choose(candidates, nodes: nodes, wishes)
  }

  @Test func withoutWishesAllCoresAreTakenAndNothingIsSaid() {
    #expect(choose([all, all]) { _ in } == HostCores(allowedByLocalRank: [all, all], pins: true))
    #expect(choose([all]) { $0.pins = false } == HostCores(allowedByLocalRank: [all], pins: false))
  }

  @Test func aQuotaLimitsTheWorkersAndLeavesPlacingThemToTheSystem() {
    let choice = choose([all]) { $0.quota = 2.5 }
    #expect(choice.allowedByLocalRank == [[0, 2]] && !choice.pins && !choice.isCrowded)
    #expect(
      choice.remarks.count == 1 && choice.remarks[0].contains("2.5 of 8 cores' time: 2 threads compute"),
      "\(choice.remarks)")
    // Less than a core is one worker; two ranks share what there is, each with one at least.
    #expect(choose([all]) { $0.quota = 0.5 }.allowedByLocalRank == [[0]])
    #expect(choose([all, all]) { $0.quota = 4 }.allowedByLocalRank == [[0, 2, 4, 6], [0, 2, 4, 6]])
    #expect(choose([all, all, all]) { $0.quota = 2 }.allowedByLocalRank == Array(repeating: [0, 2, 4], count: 3))
    #expect(choose([[0, 1, 2, 3], [4, 5, 6, 7]]) { $0.quota = 4 }.allowedByLocalRank == [[0, 2], [4, 6]])
  }

  @Test func aQuotaThatCoversAllCoresChangesNothing() {
    for quota in [8.0, 8.5, 100, .infinity] {
      #expect(choose([all]) { $0.quota = quota } == HostCores(allowedByLocalRank: [all], pins: true), "\(quota)")
    }
  }

  @Test func threadsThatWereAskedForAreGivenWithARemarkWhereTheyHaveNoTime() {
    let choice = choose([all, all]) { ($0.quota, $0.threadsPerRank) = (3, 2) }
    #expect(
      choice.allowedByLocalRank == [all, all] && choice.remarks.first?.contains("4 threads will be held up") == true)
    #expect(choose([all]) { ($0.quota, $0.threadsPerRank) = (3, 3) }.remarks.isEmpty)
  }

  @Test func coresOfAnotherJobAreLeftToIt() {
    let choice = choose([all]) { $0.busy = [0, 1, 2, 9] }
    #expect(choice.allowedByLocalRank == [[3, 4, 5, 6, 7]] && choice.pins && !choice.isCrowded)
    #expect(choice.remarks == ["another job of martinet uses cores 0-2: this one takes the other 5"])
    // The one thread that was asked for has a core of its own, so there is nothing to say.
    let one = choose([all]) { ($0.busy, $0.threadsPerRank) = ([0], 1) }
    #expect(one.allowedByLocalRank == [[1, 2, 3, 4, 5, 6, 7]] && one.pins && one.remarks.isEmpty)
  }

  @Test func whereTooFewAreLeftThreadsAreNotPinned() {
    for (busy, threads) in [(Set(0..<8), nil), (Set(0..<8), 1), ([0], 8)] as [(Set<Int>, Int?)] {
      let choice = choose([all]) { ($0.busy, $0.threadsPerRank) = (busy, threads) }
      #expect(choice.allowedByLocalRank == [all] && !choice.pins && choice.isCrowded)
      #expect(choice.remarks.first?.contains("give each its part with --cores") == true)
    }
    // One of two bound ranks has none.
    #expect(choose([[0, 1], [2, 3]]) { $0.busy = [0, 1] }.isCrowded)
  }

  @Test func aCountIsACountOfTheHost() {
    #expect(choose([all, all]) { $0.request = .count(4) }.allowedByLocalRank == [[0, 2, 4, 6], [0, 2, 4, 6]])
    #expect(choose([all]) { ($0.request, $0.busy) = (.count(2), [0, 2]) }.allowedByLocalRank == [[4, 6]])
    #expect(choose([all]) { ($0.request, $0.busy) = (.count(2), [0, 2]) }.pins)
    #expect(choose([all]) { $0.request = .count(100) }.allowedByLocalRank == [all])
  }

  @Test func aListIsTakenAsItIs() throws {
    let choice = choose([[4, 5]]) { ($0.request, $0.busy) = (.list([4, 5]), [5]) }
    #expect(choice.allowedByLocalRank == [[4, 5]] && choice.pins)
    #expect(choice.remarks == ["core 5, named with --cores, is used by another job of martinet, too"])
  }

  @Test func requestsAreRead() throws {
    #expect(try CoreRequest("3") == .count(3))
    #expect(try CoreRequest("0-3,8") == .list([0, 1, 2, 3, 8]))
    #expect(try CoreRequest("5-5") == .list([5]))
    for text in ["", "0", "-1", "a", "3-1", "1,,x", "4097", "0-99999999"] {
      #expect(throws: MachineError.malformedCores(text)) { try CoreRequest(text) }
    }
    #expect(CoreRequest.text([8, 0, 1, 2, 5]) == "0-2,5,8")
    let topology = try Topology.discover(root: "/nowhere-on-this-host", allowedCores: [2, 3])
    #expect(try CoreRequest.list([3, 4]).candidates(topology) == [3])
    #expect(try CoreRequest.all.candidates(topology) == [2, 3])
    #expect(throws: MachineError.unavailableCores([0, 1], allowed: [2, 3])) {
      try CoreRequest.list([0, 1]).candidates(topology)
    }
    #expect(CoreRequest.count(2).shortage([2, 3], topology) == nil)
    #expect(CoreRequest.list([2]).shortage([2], topology) == nil && CoreRequest.all.shortage([], topology) == nil)
    let missing = try #require(CoreRequest.list([1, 2, 9]).shortage([2], topology))
    #expect(missing == .unavailableCores([1, 9], allowed: [2, 3]) && "\(missing)".hasPrefix("cores 1,9, named"))
    let few = "\(try #require(CoreRequest.count(9).shortage([2, 3], topology)))"
    for part in ["--cores 9", "has 2 ", "(2-3)", "at most 2"] { #expect(few.contains(part), "\(few)") }
  }
}
