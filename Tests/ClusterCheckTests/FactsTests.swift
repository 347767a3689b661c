import JSON
import Machine
import Testing

@testable import ClusterCheck

@Suite struct FactsTests {
  @Test func factsComeThroughJSONAsTheyWere() throws {
    let facts = try Invented.cluster(3) {
      $0.ranks[1].host.coreQuota = 1.5
      $0.ranks[2].host.sharedMemoryFree = nil
      $0.ranks[2].host.model.failure = "no \"config.json\""
      $0.ranks[0].weightBytes = nil
    }
    #expect(try ClusterFacts(json: JSONValue(parsing: Array(facts.json.text().utf8))) == facts)
  }

  @Test func thisHostsFactsAreThere() throws {
    let topology = try Topology.discover()
    let facts = try HostFacts(
      topology: topology, version: "1", openMPI: "x", instructionSet: "y", options: "", model: ModelFacts(path: "m"))
    #expect(
      facts.host == topology.hostname && facts.build.count == 16 && facts.allowedCores > 0 && facts.openFileLimit > 0)
    #expect(facts.libc.contains(".") && facts.program.hasPrefix("/"))
    #expect(try facts.build == ProgramFile.build())
  }

  @Test(arguments: [
    "{}", "[]", "{\"ranks\":[{}],\"links\":[]}",
    "{\"ranks\":[],\"links\":[{\"ranks\":[0,1],\"latency_seconds\":1,\"bytes_per_second\":1}]}",
  ])
  func damagedFactsAreRefused(text: String) throws {
    #expect(throws: MalformedFacts.self) { try ClusterFacts(json: JSONValue(parsing: Array(text.utf8))) }
  }

  /// As /proc/net/tcp and tcp6 have them: 10.0.0.1, 127.0.0.1, ::ffff:10.0.0.2; another process's; a listening one.
  @Test func connectionsAreFoundByTheirInodes() {
    let table = """
        sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
         0: 0100000A:1F90 0200000A:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 11 1 0 20 4 30 10 -1
         1: 0100007F:1F90 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
         2: 0000000000000000FFFF00000200000A:1F90 0200000A:A1B2 01 00000000:00000000 00:00000000 00000000 0 0 13 1 0
         3: 0300000A:1F90 0200000A:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 99 1 0 20 4 30 10 -1
         4: 0400000A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 20 4 30 10 -1
         5: nonsense
      """
    #expect(SocketAddress.established(table, inodes: ["11", "12", "13"]) == ["10.0.0.1", "10.0.0.2"])
  }
}
