import Foundation
import Telemetry
import TestSupport
import Testing

/// The scenarios over real processes; one mpirun at a time, since each rank wants a core.
@Suite(.serialized)
struct MPITests {
  @Test(.timeLimit(.minutes(20)), arguments: [1, 2, 3, 4])
  func everyScenarioHoldsOverProcesses(ranks: Int) throws {
    let run = try mpirun(ranks: ranks, "all")
    #expect(run.status == 0, "\(run.output)")
    #expect(run.output.split(separator: "\n").count { $0.hasSuffix(" of \(ranks): all ok") } == ranks, "\(run.output)")
  }

  @Test(.timeLimit(.minutes(20)), arguments: [2, 4])
  func theScenariosHoldOverTCP(ranks: Int) throws {
    let run = try mpirun(ranks: ranks, "all", options: ["--mca", "btl", "tcp,self"])
    #expect(run.status == 0, "\(run.output)")
  }

  @Test(.timeLimit(.minutes(20)), arguments: ["throw", "trap", "abort"])
  func oneRankFailingEndsTheRun(scenario: String) throws {
    let run = try mpirun(ranks: 3, scenario)
    #expect(run.status != 0, "\(run.output)")
    #expect(run.output.contains("the last rank"), "\(run.output)")
    #expect(!run.output.contains(": \(scenario) ok"), "\(run.output)")
  }

  @Test func anAgreedFailureIsToldOnce() throws {
    let run = try mpirun(ranks: 4, "agree")
    #expect(run.status != 0)
    #expect(run.output.components(separatedBy: "only the last rank cannot").count == 2, "\(run.output)")
    #expect(run.output.contains("rank 0 failed: rank 3: only the last rank cannot"), "\(run.output)")
  }

  @Test func anMPIErrorComesBackWithTheLibrarysWords() throws {
    let run = try mpirun(ranks: 2, "mpi-error")
    #expect(run.status != 0)
    #expect(run.output.contains("MPI_Send failed: MPI_ERR_RANK: invalid rank (MPI error 6)"), "\(run.output)")
  }

  @Test(arguments: ["stall", "stalled-barrier"])
  func aStallBecomesAnError(scenario: String) throws {
    let run = try mpirun(ranks: 2, scenario)
    #expect(run.status != 0)
    #expect(run.output.contains("no progress for 0.1 seconds"), "\(run.output)")
  }

  private func reports(_ run: Run) -> [StallReport] {
    run.output.split(separator: "\n").compactMap { StallReport(line: String($0)) }
  }

  @Test(arguments: [2, 3]) func aStoppedRankIsSilentAndTheOthersSayWhomTheyMiss(ranks: Int) throws {
    let fault = faultWithPatience([1, 8, 40]) { limit in
      let run = try mpirun(ranks: ranks, "stopped", limit: limit)
      // On a crowded machine an ordinary step may take long too; after five times the limit they give up.
      let reports = reports(run).filter { $0.seconds >= 2 * limit && $0.seconds < 4.5 * limit }
      let isRight = reports.allSatisfy {
        $0.waitingFor == [ranks - 1] && $0.layer == 1 && $0.phase == "dispatch"
      }
      return Set(reports.map(\.rank)) == Set(0..<(ranks - 1)) && isRight ? nil : run.output
    }
    #expect(fault == nil)
  }

  @Test func aRankThatComputesForEverSaysSo() throws {
    let fault = faultWithPatience([1, 8, 40]) { limit in
      let run = try mpirun(ranks: 3, "endless", limit: limit)
      let own = reports(run).filter { $0.rank == 2 && $0.seconds >= 2 * limit }
      let isRight = own.allSatisfy { $0.waitingFor == [] && $0.layer == 1 && $0.phase == "experts" }
      return !own.isEmpty && isRight ? nil : run.output
    }
    #expect(fault == nil)
  }

  @Test func nobodySpeaksOfStepsThatEnd() throws {
    let fault = faultWithPatience([1, 8, 40]) { limit in
      let run = try mpirun(ranks: 2, "watched", limit: limit)
      return run.status == 0 && reports(run).allSatisfy { $0.seconds < limit } ? nil : run.output
    }
    #expect(fault == nil)
  }

  @Test(arguments: [2, 4]) func waitingPatientlyLeavesTheCoreToOthers(ranks: Int) throws {
    let run = try mpirun(ranks: ranks, "patient")
    #expect(run.status == 0, "\(run.output)")
  }

  @Test func leavingWithRequestsUnderWayIsAnError() throws {
    let run = try mpirun(ranks: 1, "unfinished")
    #expect(run.status != 0)
    #expect(run.output.contains("rank 0 ended with 1 sends or receives under way"), "\(run.output)")
  }

  @Test func withoutALauncherTheScenariosHoldForOneRank() throws {
    let run = try execute(scenarios, ["all"], environment: [:])
    #expect(run.status == 0, "\(run.output)")
    #expect(run.output.contains("rank 0 of 1: all ok"), "\(run.output)")
  }

  @Test func tasksThatMPIDoesNotConnectAreRefused() throws {
    let run = try execute(
      scenarios, ["all"], environment: ["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"])
    #expect(run.status != 0)
    #expect(run.output.contains("srun started 4 tasks, but MPI"), "\(run.output)")
  }

  private var scenarios: URL {
    URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("FabricScenarios")
  }

  private func mpirun(
    ranks: Int, _ scenario: String, limit: Double = 1, options: [String] = []
  ) throws -> Run {
    let launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--timeout", "900"]
    return try execute(
      URL(fileURLWithPath: "/usr/bin/env"), launch + options + ["-n", "\(ranks)", scenarios.path, scenario, "\(limit)"])
  }

  private struct Run {
    let status: Int32
    let output: String
  }

  private func execute(_ program: URL, _ arguments: [String], environment: [String: String]? = nil) throws -> Run {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    if let environment {
      // The tests themselves may run under a launcher or in a batch job.
      let inherited = ProcessInfo.processInfo.environment.filter { name, _ in
        !["OMPI_", "PMI", "SLURM_"].contains { name.hasPrefix($0) }
      }
      process.environment = inherited.merging(environment) { _, given in given }
    }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Run(status: process.terminationStatus, output: String(decoding: data, as: UTF8.self))
  }
}
