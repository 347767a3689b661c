internal import Glibc

extension Launch {
  /// The rank a launcher gave this process, for what must be said before the run is joined; 0 on its own.
  package static var earlyRank: Int {
    for name in ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID", "PMI_RANK"] {
      if let value = getenv(name), let rank = Int(String(cString: value)), rank >= 0 { return rank }
    }
    return 0
  }
}
