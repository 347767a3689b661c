import Testing

@testable import ClusterCheck

/// Each difference that can be told is told, of the right host, with something to do.
@Suite struct JudgementTests {
  private func judge(_ facts: ClusterFacts) -> [Finding] {
    HostJudgement(facts).findings + RankJudgement(facts).findings
  }

  @Test(arguments: [1, 2, 3, 20]) func hostsThatAreAlikeAndFreeAreWell(count: Int) throws {
    let findings = judge(try Invented.cluster(count))
    #expect(findings.worst == .ok, "\(findings)")
    #expect(findings.allSatisfy { $0.advice == nil && !$0.words.isEmpty })
  }

  struct HostFault: CustomTestStringConvertible, Sendable {
    let subject: String
    let status: Finding.Status
    let change: @Sendable (inout HostFacts) -> Void
    var testDescription: String { subject }
  }

  static let hostFaults = [
    HostFault(subject: "program", status: .problem) { $0.build = "00ab" },
    HostFault(subject: "program", status: .problem) { $0.version = "0.9" },
    HostFault(subject: "options", status: .problem) { $0.options = "--weights q8" },
    HostFault(subject: "model", status: .problem) { $0.model.fingerprint = "ff01" },
    HostFault(subject: "model", status: .problem) { $0.model.failure = "/models/m is not a folder" },
    HostFault(subject: "Open MPI", status: .problem) { $0.openMPI = "Open MPI v5.0.0" },
    HostFault(subject: "C library", status: .warning) { $0.libc = "2.39" },
    HostFault(subject: "processors", status: .warning) { $0.instructionSet = "avx2" },
    HostFault(subject: "shared memory", status: .warning) { $0.sharedMemoryFree = 64 << 20 },
    HostFault(subject: "shared memory", status: .problem) { $0.sharedMemoryFree = 1 << 20 },
    HostFault(subject: "shared memory", status: .problem) { $0.sharedMemoryFree = nil },
    HostFault(subject: "open files", status: .warning) { $0.openFileLimit = 1024 },
    HostFault(subject: "open files", status: .problem) { $0.openFileLimit = 64 },
    HostFault(subject: "memory", status: .problem) { $0.availableBytes = 1 << 30 },
    HostFault(subject: "memory", status: .warning) { $0.availableBytes = (1 << 30) + (1 << 28) + (1 << 20) },
    HostFault(subject: "core quota", status: .warning) { $0.coreQuota = 2 },
    HostFault(subject: "cores", status: .warning) { $0.configuredCores = 64 },
  ]

  @Test(arguments: hostFaults) func oneHostWithAFaultIsNamed(fault: HostFault) throws {
    var facts = try Invented.cluster(3)
    fault.change(&facts.ranks[1].host)
    let findings = judge(facts)
    let found = try #require(findings.about(fault.subject).first)
    #expect(found.status == fault.status && found.hosts == ["node2"] && found.advice?.isEmpty == false, "\(found)")
    #expect(findings.filter { $0.subject != fault.subject }.worst == .ok, "\(findings)")
  }

  /// Where two differ, nobody knows which is right: the first is taken for it, and both values are told.
  @Test func ofTwoHostsBothValuesAreTold() throws {
    var facts = try Invented.cluster(2)
    facts.ranks[1].host.build = "00ab"
    let found = try #require(judge(facts).about("program").first)
    #expect(found.hosts == ["node2"] && found.words.contains("00aa") && found.words.contains("00ab"))
  }

  @Test func ranksOfOneHostAreCountedTogether() throws {
    let host = try Invented.host("node1") { $0.availableBytes = 2 << 30 }
    let ranks = (0..<2).map { number in
      Invented.rank(number, on: host) { ($0.workerCores, $0.ranksOnHost) = ([2 * number, 2 * number + 1], 2) }
    }
    let findings = judge(ClusterFacts(ranks: ranks, links: []))
    #expect(findings.about("memory").first?.status == .problem)
    #expect(findings.about("cores").first?.status == .ok)
  }

  @Test func coresThatAreSharedOrIdleAreToldUnlessThreadsWereGiven() throws {
    let crowded = try Invented.cluster(2) { $0.ranks[1].sharesCores = true }
    #expect(judge(crowded).about("cores").first?.hosts == ["node2"])
    let bound = try Invented.cluster(2) { $0.ranks[0].workerCores = [3] }
    #expect(judge(bound).about("cores").first?.hosts == ["node1"])
    #expect(RankJudgement(bound, threadsAreGiven: true).findings.about("cores").worst == .ok)
  }

  @Test func whatWasSaidWhenCoresWereDealtOutIsNotSaidTwice() throws {
    let facts = try Invented.cluster(2) {
      $0.remarks = ["a quota of 2 cores holds on node1"]
      $0.ranks[0].host.coreQuota = 2
      $0.ranks[1].workerCores = [1]
    }
    let findings = judge(facts)
    #expect(findings.about("core quota").isEmpty && findings.about("cores").count == 1)
    #expect(findings.about("cores").first?.words.hasSuffix("; a quota of 2 cores holds on node1") == true)
    #expect(findings.about("cores").worst == .warning)
  }

  @Test func aClockThatIsOffByMoreThanItsErrorIsTold() throws {
    let wrong = try Invented.cluster(3) { $0.ranks[2].clockOffset = -90 }
    let found = try #require(judge(wrong).about("clocks").first)
    #expect(found.status == .warning && found.hosts == ["node3"] && found.words.contains("-90.0 s"))
    let uncertain = try Invented.cluster(3) { ($0.ranks[2].clockOffset, $0.ranks[2].clockError) = (3, 4) }
    #expect(judge(uncertain).about("clocks").first?.status == .ok)
  }

  @Test func aSlowLinkIsFoundByItsHost() throws {
    let facts = try Invented.cluster(4) {
      $0.links.append(LinkFacts(first: 1, second: 2, latency: 20e-6, bytesPerSecond: 1e8))
      $0.links[1].bytesPerSecond = 1e8
    }
    let found = try #require(judge(facts).about("links").first)
    #expect(found.status == .warning && found.hosts == ["node3"], "\(found)")
  }

  @Test func theLeastTimeOfATokenFollowsFromLatencyAndLayers() throws {
    // Ten layers, there and back, 20 µs each.
    #expect(judge(try Invented.cluster(2)).about("links").first?.words.contains("400.0 µs") == true)
    let slow = try Invented.cluster(2) { $0.links[0].latency = 5e-3 }
    #expect(judge(slow).about("links").first?.status == .warning)
  }

  @Test func interfacesOfContainersAndSeveralAtOnceAreDoubtful() throws {
    let docker = try Invented.cluster(2) { $0.ranks[1].host.interfaces[0].name = "docker0" }
    #expect(judge(docker).about("interfaces").first?.hosts == ["node2"])
    let several = try Invented.cluster(2) {
      $0.ranks[0].host.interfaces.append(NetworkInterface(name: "eth1", address: "192.168.1.1", prefixLength: 24))
      $0.ranks[0].addressesInUse.append("192.168.1.1")
    }
    #expect(judge(several).about("interfaces").first?.hosts == ["node1"])
    let slow = try Invented.cluster(2) { for rank in 0..<2 { $0.ranks[rank].host.interfaces[0].megabits = 25_000 } }
    #expect(judge(slow).about("interfaces").worst == .ok)
    let halting = try Invented.cluster(2) {
      for rank in 0..<2 { $0.ranks[rank].host.interfaces[0].megabits = 10_000 }
      $0.links[0].bytesPerSecond = 1e8
    }
    #expect(judge(halting).about("interfaces").worst == .warning)
    let silent = try Invented.cluster(2) { for rank in 0..<2 { $0.ranks[rank].addressesInUse = [] } }
    #expect(judge(silent).about("interfaces").first?.words.contains("another transport") == true)
  }

  @Test func whatDoesNotFitAtAllDoesNotTrap() throws {
    let facts = try Invented.cluster(2) { ($0.ranks[0].weightBytes, $0.ranks[0].cacheBytes) = (.max, .max) }
    #expect(judge(facts).about("memory").first?.status == .problem)
  }
}
