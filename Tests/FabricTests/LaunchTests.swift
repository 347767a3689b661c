import Fabric
import Testing

@Suite struct LaunchTests {
  @Test(
    arguments: [
      ([:], Launch(launcher: nil, taskCount: nil)),
      (["OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "2"], Launch(launcher: "mpirun", taskCount: 4)),
      // mpirun starts its daemons through srun, whose variables the ranks inherit.
      (
        ["OMPI_COMM_WORLD_SIZE": "8", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"],
        Launch(launcher: "mpirun", taskCount: 8)
      ),
      (
        ["SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "PMIX_RANK": "1"],
        Launch(launcher: "srun", taskCount: 2)
      ),
      // A batch script outside of any step.
      (["SLURM_NTASKS": "16", "SLURM_PROCID": "0"], Launch(launcher: nil, taskCount: nil)),
      (["PMI_SIZE": "3", "PMI_RANK": "0"], Launch(launcher: "a PMI launcher", taskCount: 3)),
      (["PMIX_RANK": "0"], Launch(launcher: "a PMIx launcher", taskCount: nil)),
      (["OMPI_COMM_WORLD_SIZE": "many"], Launch(launcher: nil, taskCount: nil)),
    ] as [([String: String], Launch)])
  func theLauncherIsKnownByItsVariables(environment: [String: String], launch: Launch) {
    #expect(Launch { environment[$0] } == launch)
  }

  @Test func aProcessOfItsOwnIsRankZeroOfOneWithoutMPI() throws {
    let communicator = try Launch(launcher: nil, taskCount: nil).join()
    #expect(communicator.rank == Rank(0))
    #expect(communicator.size == 1)
    #expect(communicator is LocalCommunicator)
  }
}
