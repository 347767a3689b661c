internal import Glibc

/// How this process was started: by an MPI launcher, or on its own.
package struct Launch: Sendable, Equatable {
  /// The launcher's name; nil for a process started on its own.
  package let launcher: String?
  /// How many tasks the launcher says it started, where it says so.
  package let taskCount: Int?

  package init(launcher: String?, taskCount: Int?) {
    self.launcher = launcher
    self.taskCount = taskCount
  }

  /// Reads the variables launchers set: Open MPI's mpirun, PMIx, PMI (MPICH's mpiexec, srun) and Slurm's own.
  package init(environment: (String) -> String?) {
    func number(_ name: String) -> Int? { environment(name).flatMap { Int($0) } }
    if let count = number("OMPI_COMM_WORLD_SIZE") {
      self.init(launcher: "mpirun", taskCount: count)
    } else if let count = number("SLURM_STEP_NUM_TASKS"), number("SLURM_PROCID") != nil {
      // Set by srun for each step; a batch script outside srun has no step and runs alone.
      self.init(launcher: "srun", taskCount: count)
    } else if let count = number("PMI_SIZE") {
      self.init(launcher: "a PMI launcher", taskCount: count)
    } else if environment("PMIX_RANK") != nil {
      self.init(launcher: "a PMIx launcher", taskCount: nil)
    } else {
      self.init(launcher: nil, taskCount: nil)
    }
  }

  package static var current: Launch {
    Launch { name in getenv(name).map { String(cString: $0) } }
  }

  /// Joins the run this process belongs to. Collective; at most once in a process.
  ///
  /// A process started on its own gets a communicator of size 1 without MPI, whose start as a singleton costs 0.4 s
  /// and leaves a daemon running beside it. Throws when a launcher started several tasks that MPI does not connect.
  package func join() throws(FabricError) -> any Communicator {
    guard let launcher else { return LocalCommunicator.solo() }
    if launcher == "srun", taskCount == 1 { return LocalCommunicator.solo() }
    let communicator = try MPICommunicator()
    if let taskCount, taskCount > 1, communicator.size == 1 {
      throw .launchedApart(launcher: launcher, taskCount: taskCount)
    }
    return communicator
  }
}
